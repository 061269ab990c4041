/** What the queues say of themselves, asked again and again: for the rail, the page of queues, the banner. */

import { ApiError, getQueues } from "./api.js";
import { h } from "./dom.js";
import { Poller } from "./poller.js";

/** Milliseconds of depths that are kept for the charts. */
export const KEPT = 10 * 60_000;

/**
 * @typedef {object} Worker
 * @property {string} name
 * @property {string} state
 * @property {string|null} job
 * @property {string} hostname
 * @property {number} pid
 * @property {string} last_heartbeat
 *
 * @typedef {{name: string, counts: Record<string, number>, oldest_wait: number|null, workers: Worker[]}} Queue
 * @typedef {{at: number, queued: number, started: number}} Sample `at` in milliseconds
 */

export class Queues {
  /** @type {Queue[]|null} null: not known yet */
  known = null;
  /** @type {Map<string, Sample[]>} by queue, oldest first: what this page saw since it was opened */
  samples = new Map();
  #banner;
  #onNews;
  #onRecovered;
  #stale = false;
  #trouble = "";
  #shown = "";
  #poller = new Poller(() => this.#ask(), { first: 1500, slowest: 5000, hidden: 60_000 });

  /**
   * @param {HTMLElement} banner
   * @param {() => void} onNews
   * @param {() => void} onRecovered what could not be asked can be asked again
   */
  constructor(banner, onNews, onRecovered) {
    this.#banner = banner;
    this.#onNews = onNews;
    this.#onRecovered = onRecovered;
    this.#poller.start();
  }

  /** Whether the last question went unanswered. */
  get stale() {
    return this.#stale;
  }

  /** Ask as soon as allowed. */
  poke() {
    this.#poller.poke();
  }

  async #ask() {
    try {
      const { data, retryAfter } = await getQueues();
      const recovered = this.#stale;
      this.#stale = false;
      this.#warn(unattended(data.queues));
      const changed = this.#take(data.queues);
      if (recovered) this.#onRecovered();
      return { changed, retryAfter };
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#stale = true;
      this.#warn(describe(error));
      this.#onNews();
      throw error;
    }
  }

  /** @param {Queue[]} queues */
  #take(queues) {
    this.known = queues;
    const at = Date.now();
    for (const { name, counts } of queues) {
      const samples = (this.samples.get(name) ?? []).filter((sample) => at - sample.at < KEPT);
      samples.push({ at, queued: counts.queued ?? 0, started: counts.started ?? 0 });
      this.samples.set(name, samples);
    }
    const state = JSON.stringify(
      queues.map(({ name, counts, workers }) => [
        name,
        counts,
        workers.map(({ job, state }) => [job, state]),
      ]),
    );
    const changed = state !== this.#shown;
    this.#shown = state;
    this.#onNews();
    return changed;
  }

  /** @param {string} trouble empty: all is well */
  #warn(trouble) {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#banner.replaceChildren(trouble ? h("p", { class: "banner-text" }, trouble) : "");
  }
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
