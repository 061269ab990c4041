/** The newest jobs, whoever submitted them. */

import { ApiError, getJobs } from "./api.js";
import { h, setText } from "./dom.js";
import { hasEnded, ticketNumber } from "./job.js";
import { Poller } from "./poller.js";
import { ago, duration, localTime, secondsBetween } from "./time.js";

const PAGE = 20;
/** The API's own limit. */
const MOST = 200;

/** @typedef {import("./job.js").Job} Job */

export class JobsList {
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #limit = PAGE;
  #titleOf;
  #onOpen;
  #list = h("ul", { class: "jobs" });
  #nothing = h("p", { class: "no-jobs" }, "No job yet.");
  #note = h("p", { class: "note", role: "status" });
  #more = h("button", { type: "button", class: "quiet", hidden: true }, "Show more");
  #poller = new Poller(() => this.#ask(), { first: 2000, slowest: 6000, hidden: 60_000 });

  /**
   * @param {HTMLElement} parent
   * @param {(name: string) => string} titleOf
   * @param {(id: string) => Promise<void>} onOpen throws ApiError
   */
  constructor(parent, titleOf, onOpen) {
    this.#titleOf = titleOf;
    this.#onOpen = async (/** @type {string} */ id) => {
      setText(this.#note, "");
      try {
        await onOpen(id);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setText(this.#note, error.message);
      }
    };
    this.#more.addEventListener("click", () => {
      this.#limit = Math.min(this.#limit + PAGE, MOST);
      this.poke();
    });
    parent.append(this.#nothing, this.#note, this.#list, this.#more);
    this.#poller.start();
  }

  /** Ask as soon as allowed. */
  poke() {
    this.#poller.poke();
  }

  /** The tasks got their titles. */
  rename() {
    for (const row of this.#rows.values()) row.show(this.#titleOf);
  }

  async #ask() {
    const { data, retryAfter } = await getJobs(this.#limit);
    const changed = this.#show(data.jobs);
    this.#more.hidden = data.next === null || this.#limit >= MOST;
    return { changed, retryAfter };
  }

  /**
   * Keep the rows of known jobs in place: a row that is replaced loses the focus.
   * @param {Job[]} jobs newest first
   */
  #show(jobs) {
    const rows = jobs.map((job) => this.#rows.get(job.id) ?? new Row(job, this.#onOpen));
    const changed = rows.filter((row, index) => row.update(jobs[index], this.#titleOf)).length > 0;
    const kept = new Set(rows);
    for (const row of this.#rows.values()) if (!kept.has(row)) row.element.remove();
    rows.forEach((row, index) => {
      const there = this.#list.children[index];
      if (there !== row.element) this.#list.insertBefore(row.element, there ?? null);
    });
    this.#rows = new Map(jobs.map((job, index) => [job.id, rows[index]]));
    this.#nothing.hidden = jobs.length > 0;
    return changed;
  }
}

class Row {
  #job;
  #shown = "";
  #title = h("span", { class: "job-title" });
  #status = h("span", { class: "job-status" });
  #when = h("span", { class: "job-when" });
  #took = h("span", { class: "job-took" });
  element;

  /**
   * @param {Job} job
   * @param {(id: string) => void} onOpen
   */
  constructor(job, onOpen) {
    this.#job = job;
    const number = h("span", { class: "job-number" }, ticketNumber(job.id));
    const button = h(
      "button",
      { type: "button", class: "job", title: localTime(job.created_at), onclick: () => onOpen(job.id) },
      number,
      this.#title,
      this.#status,
      this.#took,
      this.#when,
    );
    this.element = h("li", {}, button);
  }

  /**
   * Take a newer document. Returns whether its status is another one.
   * @param {Job} job
   * @param {(name: string) => string} titleOf
   */
  update(job, titleOf) {
    const changed = this.#shown !== job.status;
    this.#job = job;
    this.show(titleOf);
    return changed;
  }

  /** @param {(name: string) => string} titleOf */
  show(titleOf) {
    const job = this.#job;
    this.#shown = job.status;
    this.element.dataset.status = job.status;
    setText(this.#title, titleOf(job.task));
    setText(this.#status, job.status);
    setText(this.#when, ago(job.created_at));
    setText(
      this.#took,
      hasEnded(job) && job.started_at ? duration(secondsBetween(job.started_at, job.ended_at), true) : "",
    );
  }
}
