/** All jobs: filters that live in the address, pages, and actions on many at once. */

import { ApiError, getJobs, retryJob, stopJob } from "./api.js";
import { forEachJob, patiently } from "./bulk.js";
import { h, setText } from "./dom.js";
import { inOrder } from "./graph-layout.js";
import { canRetry, canStop, mayChange, STATUSES, ticketNumber } from "./job.js";
import { JobRows } from "./job-rows.js";
import { PolledView } from "./polled-view.js";
import { batchAddress, listAddress } from "./route.js";

const LENGTH = 50;
/** The API's own limit, for gathering. */
const MOST = 200;

/** @typedef {import("./job.js").Job} Job */

export class JobsPage extends PolledView {
  title = "Jobs";
  #app;
  #filters;
  #rows;
  #nothing = h("div", { class: "empty", hidden: true });
  #loading = h("p", { class: "loading" }, "Fetching the jobs…");
  #note = h("p", { class: "bulk-note", role: "status" });
  #all = h("input", { type: "checkbox", onchange: () => this.#selectAll() });
  #count = h("span", { class: "selected-count" });
  #retry = this.#button("Retry", () => this.#retryInOrder(this.#chosen(canRetry)));
  #stop = this.#button("Cancel or stop", () => this.#run(this.#chosen(canStop), stopJob, "told to end"));
  #everyFailed = this.#button("Retry all failed", () => this.#retryEveryFailed());
  #toolbar = h(
    "div",
    { class: "toolbar", role: "group", "aria-label": "Selected jobs" },
    h("label", { class: "select-all" }, this.#all, h("span", {}, "Select all on this page")),
    this.#count,
    this.#retry,
    this.#stop,
    this.#everyFailed,
  );
  #older = h("a", { class: "page-link", hidden: true }, "Older jobs");
  #newest = h("a", { class: "page-link", hidden: true }, "Newest jobs");
  #task = h("select", { id: "filter-task", onchange: () => this.#go({ task: this.#task.value }) });
  #queue = h("select", { id: "filter-queue", onchange: () => this.#go({ queue: this.#queue.value }) });
  #busy = false;

  /**
   * @param {HTMLElement} parent
   * @param {URLSearchParams} params of the address
   * @param {import("./app.js").App} app
   */
  constructor(parent, params, app) {
    super("Jobs", () => this.#ask(), { first: 2000, slowest: 6000, hidden: 60_000 });
    this.#app = app;
    this.#filters = {
      status: params.get("status"),
      task: params.get("task"),
      queue: params.get("queue"),
      batch: params.get("batch"),
      owner: params.get("owner"),
      cursor: params.get("cursor"),
    };
    this.#rows = new JobRows(app.titleOf, () => this.#showSelection());
    this.#newest.href = this.#address({});
    this.#everyFailed.hidden = this.#filters.status !== "failed";
    this.rename();
    parent.replaceChildren(
      h(
        "div",
        { class: "view" },
        ...ofBatch(this.#filters.batch),
        h("div", { class: "view-head" }, this.heading, this.#choices()),
        this.#statuses(),
        this.#toolbar,
        this.#note,
        this.#loading,
        this.#nothing,
        this.#rows.element,
        h("nav", { class: "pages", "aria-label": "Pages" }, this.#newest, this.#older),
      ),
    );
    this.#showSelection();
    this.poller.start();
  }

  /** The tasks got their titles, or the queues are known. */
  rename() {
    this.#rows.rename();
    const { task, queue } = this.#filters;
    fill(this.#task, "all tasks", [...this.#app.tasks()], task, this.#app.titleOf);
    fill(this.#queue, "all queues", this.#app.queueNames(), queue, String);
  }

  /** @param {Record<string, string|null>} changes to the filters; always from the newest job on */
  #address(changes) {
    return listAddress({ ...this.#filters, cursor: null, ...changes });
  }

  /** @param {Record<string, string|null>} changes */
  #go(changes) {
    location.hash = this.#address(changes);
  }

  #choices() {
    return h(
      "div",
      { class: "filters" },
      h("label", { class: "filter", for: "filter-task" }, "Task"),
      this.#task,
      h("label", { class: "filter", for: "filter-queue" }, "Queue"),
      this.#queue,
    );
  }

  #statuses() {
    const link = (/** @type {string|null} */ status) =>
      h(
        "li",
        {},
        h(
          "a",
          {
            class: "chip",
            href: this.#address({ status }),
            "aria-current": this.#filters.status === status && "true",
            "data-status": status,
          },
          status ?? "all",
        ),
      );
    return h(
      "nav",
      { "aria-label": "Filter by status" },
      h("ul", { class: "chips" }, link(null), ...STATUSES.map(link)),
    );
  }

  async #ask() {
    /** @type {import("./api.js").Answer} */
    let answer;
    try {
      answer = await getJobs({ ...this.#filters, limit: LENGTH });
    } catch (error) {
      if (!(error instanceof ApiError) || ![400, 404, 422].includes(error.status)) throw error;
      this.#show([], null, error.problem.errors?.[0]?.detail ?? error.message);
      return { done: true };
    }
    const { data, retryAfter } = answer;
    return { changed: this.#show(this.#settled(data.jobs), data.next), retryAfter };
  }

  /**
   * While some are selected the rows stay where they are: nobody should hit another job than they aim at.
   * @param {Job[]} jobs
   */
  #settled(jobs) {
    if (!this.#rows.selected.length) return jobs;
    const newer = new Map(jobs.map((job) => [job.id, job]));
    return this.#rows.jobs.map((job) => newer.get(job.id) ?? job);
  }

  /**
   * @param {Job[]} jobs
   * @param {string|null} next cursor
   * @param {string} [complaint]
   */
  #show(jobs, next, complaint) {
    const changed = this.#rows.show(jobs);
    this.#loading.hidden = true;
    this.#nothing.hidden = jobs.length > 0;
    if (!jobs.length) this.#nothing.replaceChildren(...this.#emptiness(next, complaint));
    this.#older.hidden = next === null;
    if (next !== null) this.#older.href = this.#address({ cursor: next });
    this.#newest.hidden = !this.#filters.cursor;
    this.#showSelection();
    return changed;
  }

  /**
   * Why there is nothing to see.
   * @param {string|null} next
   * @param {string} [complaint]
   */
  #emptiness(next, complaint) {
    const { status, task, queue, batch, owner, cursor } = this.#filters;
    if (complaint) return [h("p", {}, `The list can't be filtered like this: ${complaint}.`), allJobs()];
    if (next !== null) return [h("p", {}, "None of yours here; there are older ones.")];
    if (status || task || queue || batch || owner) return [h("p", {}, "No job matches these filters."), allJobs()];
    if (cursor) return [h("p", {}, "There are no older jobs.")];
    return [h("p", {}, "No job yet."), h("p", {}, h("a", { href: "#/" }, "Hand in a task"))];
  }

  #selectAll() {
    this.#rows.selectAll(this.#all.checked);
    this.#showSelection();
  }

  #showSelection() {
    const { selected, jobs } = this.#rows;
    this.#toolbar.hidden = jobs.length > 0 && !jobs.some(mayChange);
    this.#all.checked = selected.length > 0 && selected.length === jobs.length;
    this.#all.indeterminate = selected.length > 0 && selected.length < jobs.length;
    this.#all.disabled = !jobs.length;
    setText(this.#count, selected.length ? `${selected.length} selected` : "");
    able(this.#retry, !this.#busy && this.#chosen(canRetry).length > 0);
    able(this.#stop, !this.#busy && this.#chosen(canStop).length > 0);
    able(this.#everyFailed, !this.#busy && jobs.length > 0);
  }

  /**
   * The selected jobs that an action is for.
   * @param {(job: Job) => boolean} test
   */
  #chosen(test) {
    return this.#rows.selected.filter(test);
  }

  async #retryEveryFailed() {
    /** @type {Job[]} */
    const failed = [];
    /** @type {string|null} */
    let cursor = null;
    do {
      const { data } = await patiently(() => getJobs({ ...this.#filters, cursor, limit: MOST }));
      failed.push(...data.jobs.filter(canRetry));
      cursor = data.next;
      setText(this.#note, `Looking for failed jobs: ${failed.length} so far…`);
    } while (cursor !== null);
    setText(this.#note, "");
    if (confirm(`Retry ${failed.length} failed ${failed.length === 1 ? "job" : "jobs"}?`))
      await this.#retryInOrder(failed);
  }

  /**
   * The oldest first, and each behind those that it comes after: before them it can't be retried.
   * @param {Job[]} jobs
   */
  #retryInOrder(jobs) {
    const atOnce = jobs.some((job) => job.after?.length) ? 1 : undefined;
    return this.#run(inOrder([...jobs].reverse()), retryJob, "retried", atOnce);
  }

  /**
   * @param {Job[]} jobs
   * @param {(id: string) => Promise<any>} call
   * @param {string} word what was done to them
   * @param {number} [atOnce] calls under way at once
   */
  async #run(jobs, call, word, atOnce) {
    const ids = jobs.map((job) => job.id);
    const onProgress = (/** @type {number} */ ready) => setText(this.#note, `${ready} of ${ids.length}…`);
    const tally = await forEachJob(ids, call, onProgress, atOnce);
    const parts = [`${tally.done} ${word}`];
    if (tally.moved) parts.push(`${tally.moved} had moved on meanwhile`);
    if (tally.refused) parts.push(`${tally.refused} refused: ${tally.error?.message}`);
    setText(this.#note, `${parts.join("; ")}.`);
    this.#rows.selectAll(false);
  }

  /**
   * @param {string} text
   * @param {() => Promise<void>} action
   */
  #button(text, action) {
    const button = h("button", { type: "button", class: "quiet" }, text);
    button.addEventListener("click", async () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      this.#busy = true;
      this.#showSelection();
      try {
        await action();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setText(this.#note, error.message);
      } finally {
        this.#busy = false;
        this.#showSelection();
        this.poke();
        this.#app.refresh();
      }
    });
    return button;
  }
}

/** @param {string|null} batch whose jobs the list has */
const ofBatch = (batch) =>
  batch
    ? [
        h(
          "nav",
          { class: "crumbs", "aria-label": "Where you are" },
          h("a", { href: "#/jobs" }, "Jobs"),
          h("span", { "aria-hidden": "true" }, " / "),
          "Batch ",
          h("a", { class: "crumb-number", href: batchAddress(batch) }, ticketNumber(batch)),
        ),
      ]
    : [];

const allJobs = () => h("p", {}, h("a", { href: "#/jobs" }, "See all jobs"));

/**
 * A button that can't be pressed keeps the focus, and says so.
 * @param {HTMLElement} button
 * @param {boolean} on
 */
const able = (button, on) => button.setAttribute("aria-disabled", String(!on));

/**
 * @param {HTMLSelectElement} select
 * @param {string} all
 * @param {string[]} values
 * @param {string|null} chosen
 * @param {(value: string) => string} shown
 */
function fill(select, all, values, chosen, shown) {
  const known = chosen && !values.includes(chosen) ? [...values, chosen] : values;
  const texts = known.map(shown).join("\n");
  if (select.dataset.texts === texts) return;
  select.dataset.texts = texts;
  select.replaceChildren(
    h("option", { value: "", selected: !chosen }, all),
    ...known.map((value) => h("option", { value, selected: value === chosen }, shown(value))),
  );
}
