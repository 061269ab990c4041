/** A ticket: one job on the desk, live. */

import { h } from "./dom.js";
import { ticketNumber } from "./job.js";
import { LiveJob } from "./live-job.js";
import { jobAddress } from "./route.js";
import { tree } from "./tree.js";

/** @typedef {import("./job.js").Job} Job */

export class JobCard {
  element = h("article", { class: "ticket" });
  #live;

  /**
   * @param {Job} job
   * @param {import("./live-job.js").JobEvents & {onClose: () => void}} events
   */
  constructor(job, events) {
    this.#live = new LiveJob(job, events, this.element, 3);
    this.element.setAttribute("aria-labelledby", this.#live.title.id);
    this.element.append(stub(job), this.#body(job, events.onClose));
  }

  /** @param {number} [retryAfter] seconds until the first question */
  start(retryAfter = 0) {
    this.#live.start(retryAfter);
  }

  stop() {
    this.#live.stop();
  }

  /** Ask as soon as allowed. */
  poke() {
    this.#live.poke();
  }

  focus() {
    this.#live.title.focus({ preventScroll: true });
  }

  /** Bring it into view. */
  show() {
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Tasks got their titles: show it. */
  rename() {
    this.#live.rename();
  }

  /**
   * @param {Job} job
   * @param {() => void} onClose
   */
  #body({ id, task, arguments: args }, onClose) {
    const live = this.#live;
    const number = ticketNumber(id);
    live.actions.lastElementChild.before(
      h(
        "a",
        { class: "open-job", href: jobAddress(id) },
        "Open",
        h("span", { class: "unseen" }, ` ticket ${number}`),
      ),
    );
    live.actions.append(h("code", { class: "job-id" }, id));
    const close = h(
      "button",
      {
        type: "button",
        class: "close",
        "aria-label": `Put away ticket ${number}`,
        title: "Put away (the job goes on)",
        onclick: onClose,
      },
      "×",
    );
    return h(
      "div",
      { class: "body" },
      h("header", { class: "ticket-head" }, live.title, live.stamp, close),
      h("p", { class: "facts" }, h("span", {}, task), live.elapsed, live.attempt),
      live.progress,
      live.note,
      Object.keys(args).length > 0 &&
        h("details", { class: "fold" }, h("summary", {}, "Arguments"), tree(args)),
      live.log.element,
      live.outcome.element,
      live.actions,
    );
  }
}

/**
 * The stub of coloured stock with the ticket's number.
 * @param {Job} job
 * @returns {HTMLElement}
 */
export function stub({ id, queue }) {
  return h(
    "div",
    { class: "stub" },
    h("span", { class: "stub-word" }, "Ticket"),
    h("span", { class: "stub-number" }, ticketNumber(id)),
    h("span", { class: "stub-queue", title: `Queue ${queue}` }, queue),
  );
}
