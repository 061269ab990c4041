/** All queues in one line, on top of every view. */

import { h } from "./dom.js";
import { duration } from "./time.js";

/** From this number of workers on, a number says more than dots. */
const MANY_WORKERS = 9;
/** Seconds. */
const LONG_WAIT = 2;

/** @typedef {import("./queues.js").Queue} Queue */

export class QueuesBar {
  #element;
  #shown = "";

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  /** @param {import("./queues.js").Queues} queues */
  show({ known, stale }) {
    this.#element.toggleAttribute("data-stale", stale);
    if (!known) return;
    const sum = (/** @type {string} */ word) =>
      known.reduce((all, { counts }) => all + (counts[word] ?? 0), 0);
    const wait = Math.floor(Math.max(0, ...known.map(({ oldest_wait }) => oldest_wait ?? 0)));
    const workers = known.flatMap((queue) => queue.workers);
    const busy = workers.filter((worker) => worker.job).length;
    const state = JSON.stringify([sum("queued"), sum("started"), wait, workers.length, busy]);
    if (state === this.#shown) return;
    this.#shown = state;
    this.#element.replaceChildren(
      h(
        "dl",
        { class: "counts" },
        count("queued", sum("queued"), wait >= LONG_WAIT ? ` for ${duration(wait)}` : ""),
        count("started", sum("started")),
        workersOf(workers.length, busy),
      ),
    );
  }
}

/**
 * @param {string} word
 * @param {number} number
 * @param {string} [beside]
 */
function count(word, number, beside) {
  return h(
    "div",
    { class: "count", "data-count": word, "data-zero": number === 0 },
    h("dt", {}, word, beside),
    h("dd", {}, number.toLocaleString()),
  );
}

/**
 * @param {number} all
 * @param {number} busy
 */
function workersOf(all, busy) {
  const dots =
    all < MANY_WORKERS &&
    Array.from({ length: all }, (_, index) => h("i", { class: index < busy ? "dot busy" : "dot" }));
  return h(
    "div",
    { class: "count", "data-count": "workers", "data-zero": all === 0 },
    h("dt", {}, all === 1 ? "worker" : "workers"),
    h(
      "dd",
      {},
      `${all}`,
      dots && h("span", { class: "dots", "aria-hidden": "true" }, ...dots),
      h("span", { class: "unseen" }, `, ${busy} busy`),
    ),
  );
}
