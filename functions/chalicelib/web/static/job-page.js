/** The page of one job, at an address of its own. */

import { ApiError, getJob, submitTask } from "./api.js";
import { copyButton } from "./copy.js";
import { h, setText } from "./dom.js";
import { stepItems, steps } from "./history.js";
import { ticketNumber } from "./job.js";
import { stub } from "./job-card.js";
import { LiveJob } from "./live-job.js";
import { Poller } from "./poller.js";
import { batchAddress, jobAddress } from "./route.js";
import { ticketLink, ticketLinks } from "./ticket-links.js";
import { localTime } from "./time.js";
import { tree } from "./tree.js";

/** @typedef {import("./job.js").Job} Job */

export class JobPage {
  /** What the window's title says. */
  title;
  #parent;
  #app;
  #id;
  #finding;
  /** @type {LiveJob|null} */
  #live = null;
  #heading = h("h2", { tabindex: "-1" }, "Fetching the job…");
  #timeline = h("ol", { class: "steps" });
  #facts = h("dl", { class: "job-facts" });
  #told = "";
  #hint = h("p", { class: "empty" });

  /**
   * @param {HTMLElement} parent
   * @param {string} id
   * @param {import("./app.js").App} app
   */
  constructor(parent, id, app) {
    this.#parent = parent;
    this.#id = id;
    this.#app = app;
    this.title = `Ticket ${ticketNumber(id)}`;
    this.#finding = new Poller(() => this.#find(), { first: 1000, slowest: 5000, hidden: 20_000 });
    parent.replaceChildren(h("div", { class: "view", "aria-busy": "true" }, this.#heading));
    this.#finding.start();
  }

  stop() {
    this.#finding.stop();
    this.#live?.stop();
  }

  focus() {
    (this.#live?.title ?? this.#heading).focus({ preventScroll: true });
  }

  /** Ask as soon as allowed. */
  poke() {
    this.#finding.poke();
    this.#live?.poke();
  }

  /** The tasks got their titles. */
  rename() {
    this.#live?.rename();
    if (this.#live) this.#update(this.#live.job);
  }

  async #find() {
    try {
      const { data, retryAfter } = await getJob(this.#id);
      this.#show(data, retryAfter);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status < 400 || error.status >= 500 || error.status === 429)
        throw error;
      this.#missing(error);
    }
    return { done: true };
  }

  /** @param {ApiError} error */
  #missing(error) {
    const gone = error.status === 404;
    setText(this.#heading, gone ? "There is no such job" : "This job can't be shown");
    this.#parent.firstElementChild?.removeAttribute("aria-busy");
    this.#parent.firstElementChild?.append(
      h(
        "div",
        { class: "empty" },
        h("p", {}, gone ? "Its time to live may be over, or it belongs to somebody else." : error.message),
        h("p", {}, h("code", {}, this.#id)),
        h("p", {}, h("a", { href: "#/jobs" }, "See all jobs")),
      ),
    );
  }

  /**
   * @param {Job} job
   * @param {number} retryAfter seconds
   */
  #show(job, retryAfter) {
    const focused = document.activeElement === this.#heading;
    const page = h("article", { class: "view job-page" });
    const live = new LiveJob(
      job,
      {
        titleOf: this.#app.titleOf,
        onChange: this.#app.refresh,
        onUpdate: (job) => this.#update(job),
        onEdit: this.#app.edit,
        onRunAgain: async ({ task, arguments: args }) => {
          const { data } = await submitTask(task, args);
          location.hash = jobAddress(data.id);
        },
      },
      page,
      2,
    );
    this.#live = live;
    page.setAttribute("aria-labelledby", live.title.id);
    live.log.tall();
    page.append(this.#head(job), this.#main(), this.#aside(job));
    this.#parent.replaceChildren(page);
    this.#update(job);
    if (focused) live.title.focus({ preventScroll: true });
    live.start(retryAfter);
  }

  /** @param {Job} job */
  #head({ id, task }) {
    const live = /** @type {LiveJob} */ (this.#live);
    return h(
      "header",
      { class: "job-head" },
      h(
        "nav",
        { class: "crumbs", "aria-label": "Where you are" },
        h("a", { href: "#/jobs" }, "Jobs"),
        h("span", { "aria-hidden": "true" }, " / "),
        h("span", { class: "crumb-number", "aria-current": "page" }, ticketNumber(id)),
      ),
      h("div", { class: "job-title-line" }, live.title, live.stamp),
      h("p", { class: "facts" }, h("span", {}, task), live.elapsed, live.attempt),
      live.actions,
      live.note,
    );
  }

  #main() {
    const live = /** @type {LiveJob} */ (this.#live);
    return h("div", { class: "job-main" }, live.progress, this.#hint, live.outcome.element, live.log.element);
  }

  /** @param {Job} job */
  #aside(job) {
    const { id, arguments: args } = job;
    return h(
      "aside",
      { class: "job-aside", "aria-label": "About this job" },
      stub(job),
      h("div", { class: "job-aside-part" }, h("h3", {}, "Timeline"), this.#timeline),
      h(
        "div",
        { class: "job-aside-part" },
        h("h3", {}, "Arguments"),
        Object.keys(args).length ? tree(args) : h("p", { class: "soft" }, "None."),
      ),
      h(
        "div",
        { class: "job-aside-part" },
        this.#facts,
        h(
          "p",
          { class: "whole-id" },
          h("code", { class: "job-id" }, id),
          copyButton("id", () => id),
        ),
      ),
    );
  }

  /** @param {Job} job */
  #update(job) {
    if (!this.#live) return;
    this.title = `${job.status}: ${this.#app.titleOf(job.task)} ${ticketNumber(job.id)}`;
    this.#timeline.replaceChildren(...stepItems(steps(job, this.#live.attempts)));
    this.#tell(job);
    this.#app.retitle();
  }

  /**
   * What is worth telling, and links to the jobs around it: in place, as long as it is the same.
   * @param {Job} job
   */
  #tell(job) {
    const { status, queue, worker, owner, interrupted, batch, parent, after = [], children = [] } = job;
    const told = JSON.stringify([hint(job), status, queue, worker, owner, interrupted, children]);
    if (told === this.#told) return;
    this.#told = told;
    this.#facts.replaceChildren(
      ...fact("Queue", queue),
      ...fact("Worker", worker),
      ...fact("Owner", owner),
      ...fact("Interrupted", interrupted ? `${interrupted} ×` : null),
      ...fact("Batch", batch && h("a", { class: "crumb-number", href: batchAddress(batch) }, ticketNumber(batch))),
      ...fact("After", ...ticketLinks(after)),
      ...fact("Parent", parent && ticketLink(parent)),
      ...fact("Children", ...ticketLinks(children)),
    );
    this.#hint.replaceChildren(h("span", {}, hint(job), ...(status === "deferred" ? ticketLinks(after) : [])));
    this.#hint.hidden = !this.#hint.textContent;
  }
}

/**
 * What to say where there is nothing to see.
 * @param {Job} job
 */
function hint({ status, started_at, error, scheduled_for }) {
  if (status === "queued") return "It waits for a worker. What it prints and returns will be here.";
  if (status === "scheduled" && scheduled_for)
    return `It is put into the queue at ${localTime(scheduled_for)}.`;
  if (status === "deferred") return "It waits for other jobs: ";
  if (status === "canceled" && !error)
    return started_at ? "It was canceled." : "It was canceled before it began.";
  return status === "stopped" && !error ? "It was stopped." : "";
}

/**
 * @param {string} word
 * @param {...(Node|string|null|undefined)} values none: nothing is told
 */
const fact = (word, ...values) => (values[0] ? [h("dt", {}, word), h("dd", {}, ...values)] : []);
