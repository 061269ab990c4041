/** Queue depths and workers on top of the page, and what is wrong with them. */

import { ApiError, getQueues } from "./api.js";
import { h } from "./dom.js";
import { Poller } from "./poller.js";
import { duration } from "./time.js";

/** From this number of workers on, a number says more than dots. */
const MANY_WORKERS = 12;
/** Seconds. */
const LONG_WAIT = 2;

/**
 * @typedef {{name: string, state: string, job: string|null, hostname: string, pid: number}} Worker
 * @typedef {{name: string, counts: Record<string, number>, oldest_wait: number|null, workers: Worker[]}} Queue
 */

export class QueuesBar {
  #element;
  #banner;
  #onRecovered;
  #trouble = "";
  #shown = "";
  #poller = new Poller(() => this.#ask(), { first: 1500, slowest: 5000, hidden: 60_000 });

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} banner
   * @param {() => void} onRecovered what could not be asked can be asked again
   */
  constructor(element, banner, onRecovered) {
    this.#element = element;
    this.#banner = banner;
    this.#onRecovered = onRecovered;
    this.#poller.start();
  }

  /** Ask as soon as allowed. */
  poke() {
    this.#poller.poke();
  }

  async #ask() {
    try {
      const { data, retryAfter } = await getQueues();
      const recovered = this.#element.hasAttribute("data-stale");
      this.#element.removeAttribute("data-stale");
      this.#warn(unattended(data.queues));
      const changed = this.#show(data.queues);
      if (recovered) this.#onRecovered();
      return { changed, retryAfter };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#element.setAttribute("data-stale", "");
      this.#warn(describe(error));
      throw error;
    }
  }

  /** @param {Queue[]} queues */
  #show(queues) {
    const state = JSON.stringify(
      queues.map(({ name, counts, workers, oldest_wait }) => [
        name,
        counts,
        workers.map(({ job, state }) => [job, state]),
        Math.floor(oldest_wait ?? 0),
      ]),
    );
    const changed = state !== this.#shown;
    if (changed) this.#element.replaceChildren(...queues.map(queueItem));
    this.#shown = state;
    return changed;
  }

  /** @param {string} trouble empty: all is well */
  #warn(trouble) {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#banner.replaceChildren(trouble ? h("p", { class: "banner-text" }, trouble) : "");
  }
}

/** @param {Queue} queue */
function queueItem({ name, counts, oldest_wait, workers }) {
  const waiting = counts.queued ?? 0;
  const later = (counts.scheduled ?? 0) + (counts.deferred ?? 0);
  return h(
    "div",
    { class: "queue" },
    h("h2", { class: "queue-name" }, name),
    h(
      "dl",
      { class: "counts" },
      count(
        "queued",
        waiting,
        waiting > 0 && oldest_wait !== null && oldest_wait >= LONG_WAIT ? `for ${duration(oldest_wait)}` : "",
      ),
      later > 0 && count("later", later),
      count("started", counts.started ?? 0),
      count("failed", counts.failed ?? 0),
      workersOf(workers),
    ),
  );
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
    h("dt", {}, word),
    h("dd", {}, number.toLocaleString(), beside && h("small", {}, ` ${beside}`)),
  );
}

/** @param {Worker[]} workers */
function workersOf(workers) {
  const busy = workers.filter((worker) => worker.job).length;
  const dots =
    workers.length < MANY_WORKERS &&
    workers.map(({ name, job, hostname, pid }) =>
      h("i", {
        class: job ? "dot busy" : "dot",
        title: `${name} (${hostname}, process ${pid}): ${job ? "busy" : "idle"}`,
      }),
    );
  return h(
    "div",
    { class: "count", "data-count": "workers", "data-zero": workers.length === 0 },
    h("dt", {}, workers.length === 1 ? "worker" : "workers"),
    h(
      "dd",
      {},
      `${workers.length}`,
      dots && h("span", { class: "dots", "aria-hidden": "true" }, ...dots),
      h("span", { class: "unseen" }, `, ${busy} busy`),
    ),
  );
}

/**
 * What is wrong with queues that answer.
 * @param {Queue[]} queues
 */
function unattended(queues) {
  const empty = queues.filter((queue) => !queue.workers.length);
  if (!empty.length) return "";
  if (empty.length === queues.length)
    return "No worker is alive: jobs are taken in, but wait until a worker comes.";
  return `No worker is alive on ${empty.map((queue) => queue.name).join(", ")}: jobs there wait until one comes.`;
}

/** @param {ApiError} error */
function describe(error) {
  if (error.status === 0) return "The API can't be reached. What you see may be old; trying again…";
  if (error.status === 401) return "This API asks for requests signed with AWS IAM, which a page can't send.";
  if (error.status === 403) return `${error.message} The page needs a token with the scopes read and submit.`;
  if (error.status === 503) return "Redis is away: no job can be submitted or read for now. Trying again…";
  return `The API is in trouble (status ${error.status}): ${error.message} Trying again…`;
}
