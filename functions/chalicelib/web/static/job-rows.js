/** Jobs as the rows of a list, each a link to its page; kept in place while they change. */

import { h, setText } from "./dom.js";
import { hasEnded, mayChange, ticketNumber } from "./job.js";
import { jobAddress } from "./route.js";
import { ago, duration, localTime, secondsBetween } from "./time.js";

/** @typedef {import("./job.js").Job} Job */

export class JobRows {
  element = h("ul", { class: "jobs" });
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #titleOf;
  #onSelect;

  /**
   * @param {(name: string) => string} titleOf
   * @param {() => void} [onSelect] given: the rows of jobs that the caller may change can be selected
   */
  constructor(titleOf, onSelect) {
    this.#titleOf = titleOf;
    this.#onSelect = onSelect;
  }

  /** The selected jobs. */
  get selected() {
    return [...this.#rows.values()].filter((row) => row.selected).map((row) => row.job);
  }

  /** @returns {Job[]} */
  get jobs() {
    return [...this.#rows.values()].map((row) => row.job);
  }

  /** @param {boolean} on */
  selectAll(on) {
    for (const row of this.#rows.values()) row.selected = on;
  }

  /** The tasks got their titles. */
  rename() {
    for (const row of this.#rows.values()) row.show(this.#titleOf);
  }

  /**
   * Keep the rows of known jobs in place: a row that is replaced loses the focus.
   * @param {Job[]} jobs newest first
   * @returns {boolean} whether a status is another one
   */
  show(jobs) {
    const rows = jobs.map((job) => this.#rows.get(job.id) ?? new Row(job, this.#onSelect));
    const changed = rows.filter((row, index) => row.update(jobs[index], this.#titleOf)).length > 0;
    this.element.classList.toggle("selectable", Boolean(this.#onSelect) && jobs.some(mayChange));
    const kept = new Set(rows);
    for (const row of this.#rows.values()) if (!kept.has(row)) row.element.remove();
    rows.forEach((row, index) => {
      const there = this.element.children[index];
      if (there !== row.element) this.element.insertBefore(row.element, there ?? null);
    });
    this.#rows = new Map(jobs.map((job, index) => [job.id, rows[index]]));
    return changed;
  }
}

class Row {
  job;
  #shown = "";
  #title = h("span", { class: "job-title" });
  #why = h("span", { class: "job-why" });
  #status = h("span", { class: "job-status" });
  #when = h("span", { class: "job-when" });
  #took = h("span", { class: "job-took" });
  #box;
  #label;
  element;

  /**
   * @param {Job} job
   * @param {(() => void)|undefined} onSelect
   */
  constructor(job, onSelect) {
    this.job = job;
    const number = ticketNumber(job.id);
    this.#box =
      onSelect &&
      h("input", { type: "checkbox", "aria-label": `Select ticket ${number}`, onchange: onSelect });
    const link = h(
      "a",
      { class: "job", href: jobAddress(job.id), title: localTime(job.created_at) },
      h("span", { class: "job-number" }, number),
      h("span", { class: "job-what" }, this.#title, " ", this.#why),
      this.#status,
      this.#took,
      this.#when,
    );
    this.#label = this.#box && h("label", { class: "job-box" }, this.#box);
    this.element = h("li", {}, this.#label, link);
  }

  get selected() {
    return Boolean(this.#box?.checked);
  }

  set selected(on) {
    if (this.#box) this.#box.checked = on;
  }

  /**
   * Take a newer document. Returns whether its status is another one.
   * @param {Job} job
   * @param {(name: string) => string} titleOf
   */
  update(job, titleOf) {
    const changed = this.#shown !== job.status;
    this.job = job;
    this.show(titleOf);
    return changed;
  }

  /** @param {(name: string) => string} titleOf */
  show(titleOf) {
    const { status, task, created_at, attempt } = this.job;
    this.#shown = status;
    if (this.#label) this.#label.hidden = !mayChange(this.job);
    this.element.dataset.status = status;
    setText(this.#title, titleOf(task));
    setText(this.#status, attempt > 1 ? `${status} (${attempt})` : status);
    if (attempt > 1) this.#status.title = `attempt ${attempt}`;
    setText(this.#when, ago(created_at));
    setText(this.#took, took(this.job));
    setText(this.#why, why(this.job));
  }
}

/**
 * What it says of itself.
 * @param {Job} job
 */
function why({ status, error, progress }) {
  if (status === "started") return progress?.message ?? "";
  return status === "failed" && error ? [error.type, error.message].filter(Boolean).join(": ") : "";
}

/** @param {Job} job */
function took(job) {
  if (job.status === "started" && job.progress) return `${Math.round(job.progress.fraction * 100)} %`;
  return hasEnded(job) && job.started_at ? duration(secondsBetween(job.started_at, job.ended_at), true) : "";
}
