/** A batch: jobs that were submitted together, as a graph of what waits for what. */

import { ApiError, cancelBatch, getBatch, retryJob } from "./api.js";
import { BatchGraph, SIGNS } from "./batch-graph.js";
import { forEachJob, patiently } from "./bulk.js";
import { announce, h, setText } from "./dom.js";
import { inOrder } from "./graph-layout.js";
import { canRetry, mayChange, STATUSES, ticketNumber } from "./job.js";
import { PolledView } from "./polled-view.js";
import { listAddress } from "./route.js";
import { localTime } from "./time.js";

/**
 * @typedef {import("./job.js").Job} Job
 *
 * @typedef {object} Batch
 * @property {string} id
 * @property {string} created_at
 * @property {string|null} owner
 * @property {"running"|"finished"|"failed"} status
 * @property {Record<string, number>} counts
 * @property {number} total
 * @property {number} progress
 * @property {Job[]} jobs
 */

export class BatchPage extends PolledView {
  title;
  #app;
  #id;
  /** @type {Batch|null} */
  #batch = null;
  #busy = false;
  #stamp = h("span", { class: "stamp", hidden: true });
  #facts = h("p", { class: "facts" });
  #counts = h("ul", { class: "chips", "aria-label": "Jobs by status" });
  #bar = h("progress", { max: "1", value: "0", "aria-label": "Progress of the batch" });
  #cancel = this.#button("Cancel the batch", () => this.#cancelAll());
  #retry = this.#button("Retry all failed", () => this.#retryAll());
  #note = h("p", { class: "bulk-note", role: "status" });
  #graph;
  #page;

  /**
   * @param {HTMLElement} parent
   * @param {string} id
   * @param {import("./app.js").App} app
   */
  constructor(parent, id, app) {
    super("Fetching the batch…", () => this.#ask(), { first: 1000, slowest: 4000, hidden: 20_000 });
    this.#id = id;
    this.#app = app;
    this.title = `Batch ${ticketNumber(id)}`;
    this.#graph = new BatchGraph(app.titleOf);
    this.#page = h(
      "div",
      { class: "view batch" },
      h(
        "nav",
        { class: "crumbs", "aria-label": "Where you are" },
        h("a", { href: "#/jobs" }, "Jobs"),
        h("span", { "aria-hidden": "true" }, " / "),
        "Batch ",
        h("span", { class: "crumb-number", "aria-current": "page" }, ticketNumber(id)),
      ),
      h(
        "div",
        { class: "view-head" },
        h("div", { class: "job-title-line" }, this.heading, this.#stamp),
        h("div", { class: "toolbar" }, this.#retry, this.#cancel),
      ),
      this.#facts,
      this.#bar,
      this.#counts,
      this.#note,
      this.#graph.element,
    );
    this.#whole(false);
    parent.replaceChildren(this.#page);
    this.poller.start();
  }

  /** The tasks got their titles. */
  rename() {
    if (this.#batch) this.#graph.show(this.#batch.jobs);
  }

  /** @param {boolean} known whether there is a batch to show */
  #whole(known) {
    for (const part of [this.#bar, this.#graph.element, this.#stamp]) part.hidden = !known;
    this.#cancel.hidden = this.#batch?.status !== "running" || !this.#batch.jobs.some(mayChange);
    this.#retry.hidden = !this.#batch || !failures(this.#batch).length;
  }

  async #ask() {
    try {
      const { data, retryAfter } = await getBatch(this.#id);
      const changed = this.#show(data);
      return { done: data.status !== "running", changed, retryAfter };
    } catch (error) {
      if (!(error instanceof ApiError) || ![403, 404].includes(error.status)) throw error;
      setText(this.heading, error.status === 404 ? "There is no such batch" : "This batch can't be shown");
      setText(this.#note, error.status === 404 ? "Its time to live may be over, or it belongs to somebody else." : error.message);
      return { done: true };
    }
  }

  /** @param {Batch} batch */
  #show(batch) {
    const before = this.#batch;
    if (JSON.stringify(before) === JSON.stringify(batch)) return false;
    this.#batch = batch;
    const { status, total, counts, jobs, progress, created_at, owner } = batch;
    this.title = `${status}: batch ${ticketNumber(batch.id)}`;
    this.#page.dataset.status = status === "running" ? "started" : status;
    setText(this.heading, `Batch of ${total === 1 ? "one job" : `${total.toLocaleString()} jobs`}`);
    setText(this.#stamp, status);
    const kept = jobs.length < total && `${jobs.length.toLocaleString()} of them are shown`;
    const more = Object.values(counts).reduce((sum, count) => sum + count, 0) > jobs.length;
    this.#facts.replaceChildren(
      ...[this.#id, `handed in ${localTime(created_at)}`, owner && `by ${owner}`, kept].filter(Boolean).map((text) => h("span", {}, text)),
      ...(more ? [h("a", { href: listAddress({ batch: batch.id }) }, "See all of them in a list")] : []),
    );
    this.#bar.value = progress;
    this.#counts.replaceChildren(
      ...STATUSES.filter((name) => counts[name]).map((name) =>
        h(
          "li",
          { class: "tally", "data-status": name },
          h("span", { "aria-hidden": "true" }, SIGNS[name]),
          ` ${counts[name].toLocaleString()} ${name}`,
        ),
      ),
    );
    this.#graph.show(jobs);
    this.#whole(true);
    if (before && before.status !== status) {
      announce(`The batch has ${status}`);
      this.#app.refresh();
    }
    this.#app.retitle();
    return true;
  }

  async #cancelAll() {
    if (!confirm("Cancel all jobs that wait, and stop those that run?")) return;
    this.#show((await patiently(() => cancelBatch(this.#id))).data);
  }

  /** What failed is run again in the order of dependencies: what was canceled because of it comes with it. */
  async #retryAll() {
    const ids = failures(/** @type {Batch} */ (this.#batch)).map((job) => job.id);
    const tally = await forEachJob(ids, retryJob, (ready) => setText(this.#note, `${ready} of ${ids.length}…`), 1);
    setText(this.#note, `${tally.done} retried${tally.error ? `; ${tally.error.message}` : ""}.`);
  }

  /**
   * @param {string} text
   * @param {() => Promise<void>} act
   */
  #button(text, act) {
    const onclick = async () => {
      if (this.#busy) return;
      this.#busy = true;
      setText(this.#note, "");
      try {
        await act();
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        setText(this.#note, error.message);
      }
      this.#busy = false;
      this.poller.start();
      this.#app.refresh();
    };
    return h("button", { type: "button", class: "quiet", onclick }, text);
  }
}

/**
 * What can be retried, in the order of dependencies. What was canceled since another job failed waits for that.
 * @param {Batch} batch
 */
const failures = ({ jobs }) =>
  inOrder(jobs).filter((job) => canRetry(job) && job.error?.type !== "DependencyFailed");
