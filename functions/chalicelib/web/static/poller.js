/** Asking again and again, gently. */

import { ApiError } from "./api.js";

const GROWTH = 1.4;

/**
 * @typedef {object} Pace milliseconds
 * @property {number} first between two questions while things change
 * @property {number} slowest between two questions when nothing does
 * @property {number} hidden while nobody looks at the page
 *
 * @typedef {{done?: boolean, changed?: boolean, retryAfter?: number}} Outcome
 */

/** Asks until it is told that all is done; slower while nothing changes, never sooner than `Retry-After` allows. */
export class Poller {
  #ask;
  #pace;
  #interval;
  #timer = 0;
  #asking = false;
  #running = false;
  #notBefore = 0;

  /**
   * @param {() => Promise<Outcome>} ask may throw ApiError: then it is asked again later
   * @param {Pace} pace
   */
  constructor(ask, pace) {
    this.#ask = ask;
    this.#pace = pace;
    this.#interval = pace.first;
  }

  /** @param {number} [retryAfter] seconds until the first question */
  start(retryAfter = 0) {
    if (!this.#running) document.addEventListener("visibilitychange", this.#onVisibility);
    this.#running = true;
    this.#interval = this.#pace.first;
    this.#notBefore = Date.now() + retryAfter * 1000;
    this.#schedule(0);
  }

  stop() {
    this.#running = false;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#onVisibility);
  }

  /** Ask as soon as allowed: something may have changed. */
  poke() {
    this.#interval = this.#pace.first;
    if (this.#running && !this.#asking) this.#schedule(0);
  }

  #onVisibility = () => {
    if (!document.hidden) this.poke();
  };

  /** @param {number} delay milliseconds */
  #schedule(delay) {
    clearTimeout(this.#timer);
    const wait = Math.max(delay, this.#notBefore - Date.now());
    this.#timer = setTimeout(() => this.#turn(), wait);
  }

  async #turn() {
    this.#asking = true;
    /** @type {Outcome} */
    let outcome;
    try {
      outcome = await this.#ask();
    } catch (error) {
      if (!(error instanceof ApiError)) console.error(error);
      outcome = { retryAfter: error instanceof ApiError ? error.retryAfter : 0 };
    }
    this.#asking = false;
    if (!this.#running) return;
    if (outcome.done) return this.stop();
    const { first, slowest, hidden } = this.#pace;
    this.#notBefore = Date.now() + (outcome.retryAfter ?? 0) * 1000;
    this.#interval = outcome.changed ? first : Math.min(this.#interval * GROWTH, slowest);
    this.#schedule(document.hidden ? Math.max(hidden, this.#interval) : this.#interval);
  }
}
