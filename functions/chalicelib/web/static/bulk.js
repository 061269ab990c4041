/** The same call for many jobs, a few at a time. */

import { ApiError } from "./api.js";

/** Calls under way at once. */
const AT_ONCE = 4;
/** How often one call is made again after "not now", and seconds before it where nothing is told. */
const TRIES = 6;
const PAUSE = 2;

/** Answers that say "not now": too many requests, a gateway or the queue away, no answer at all. */
const NOT_NOW = new Set([0, 429, 500, 502, 503, 504]);

/**
 * @typedef {{done: number, moved: number, refused: number, error: ApiError|null}} Tally
 * `moved` counts jobs for which it was too late: gone, or in another status meanwhile
 */

/**
 * @param {string[]} ids
 * @param {(id: string) => Promise<any>} call
 * @param {(ready: number) => void} onProgress
 * @param {number} [atOnce] calls under way at once
 * @returns {Promise<Tally>}
 */
export async function forEachJob(ids, call, onProgress, atOnce = AT_ONCE) {
  /** @type {Tally} */
  const tally = { done: 0, moved: 0, refused: 0, error: null };
  const left = [...ids];
  async function work() {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      try {
        await patiently(() => call(/** @type {string} */ (id)));
        tally.done++;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 404 || error.status === 409) tally.moved++;
        else {
          tally.refused++;
          tally.error = error;
        }
      }
      onProgress(tally.done + tally.moved + tally.refused);
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work));
  return tally;
}

/**
 * @template T
 * @param {() => Promise<T>} call
 * @returns {Promise<T>}
 */
export async function patiently(call) {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ApiError) || !NOT_NOW.has(error.status) || tries === TRIES) throw error;
      const seconds = error.retryAfter || PAUSE;
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  }
}
