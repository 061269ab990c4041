/** The times of a job's life, as far as its document and this page know them. */

import { hasEnded, isWaiting } from "./job.js";
import { h } from "./dom.js";
import { duration, localTime, secondsBetween, timeOfDay } from "./time.js";

/**
 * @typedef {import("./job.js").Job} Job
 *
 * @typedef {object} Step
 * @property {string} word
 * @property {string|null} [at] RFC 3339
 * @property {string} [beside]
 * @property {"past"|"now"|"later"} state
 * @property {string} [status] gives its colour
 */

/** A document tells of the newest attempt only: what was seen of earlier ones is kept here. */
export class Attempts {
  /** @type {Map<number, Job>} the last document of each attempt that had begun */
  #seen = new Map();

  /** @param {Job} job */
  note(job) {
    if (job.started_at && (job.status === "started" || hasEnded(job))) this.#seen.set(job.attempt, job);
  }

  /**
   * @param {number} attempt
   * @returns {Job|undefined}
   */
  get(attempt) {
    return this.#seen.get(attempt);
  }
}

/**
 * @param {Job} job
 * @param {Attempts} attempts
 * @returns {Step[]} oldest first
 */
export function steps(job, attempts) {
  const running = job.status === "started";
  const begun = job.started_at !== null && !isWaiting(job);
  /** @type {Step[]} */
  const found = [{ word: "Handed in", at: job.created_at, state: "past" }];
  found.push(...earlier(job, attempts, begun ? job.attempt - 1 : job.attempt));
  if (job.status === "scheduled" && job.scheduled_for)
    found.push({ word: "Not before", at: job.scheduled_for, state: "now" });
  else if (job.status === "deferred") found.push({ word: "Waits for other jobs", state: "now" });
  else if (job.enqueued_at)
    found.push({
      word: job.attempt > (begun ? 1 : 0) ? "Queued again" : "Queued",
      at: job.enqueued_at,
      state: job.status === "queued" ? "now" : "past",
    });
  if (begun && job.started_at)
    found.push({
      word: job.attempt > 1 ? `Attempt ${job.attempt} started` : "Started",
      at: job.started_at,
      beside: waited(job),
      state: running ? "now" : "past",
      status: running ? "started" : undefined,
    });
  else if (!hasEnded(job)) found.push({ word: "Started", state: "later" });
  if (hasEnded(job))
    found.push({
      word: job.status[0].toUpperCase() + job.status.slice(1),
      at: job.ended_at,
      beside:
        begun && job.started_at
          ? `after ${duration(secondsBetween(job.started_at, job.ended_at), true)}`
          : "",
      state: "past",
      status: job.status,
    });
  else found.push({ word: "Ended", state: "later" });
  return found;
}

/**
 * @param {Job} job
 * @param {Attempts} attempts
 * @param {number} last
 * @returns {Step[]}
 */
function earlier(job, attempts, last) {
  const found = [];
  let unseen = 0;
  for (let attempt = 1; attempt <= last; attempt++) {
    const seen = attempts.get(attempt);
    if (seen && !(seen.attempt === job.attempt && seen.started_at === null))
      found.push({
        word: `Attempt ${attempt}`,
        at: seen.started_at,
        beside: hasEnded(seen) ? seen.status : "ended",
        state: /** @type {const} */ ("past"),
        status: hasEnded(seen) ? seen.status : undefined,
      });
    else unseen++;
  }
  if (unseen)
    found.unshift({
      word: unseen === 1 ? "1 earlier attempt" : `${unseen} earlier attempts`,
      state: /** @type {const} */ ("past"),
    });
  return found;
}

/** @param {Job} job */
function waited({ enqueued_at, started_at }) {
  return enqueued_at && started_at ? `waited ${duration(secondsBetween(enqueued_at, started_at), true)}` : "";
}

/**
 * @param {Step[]} all
 * @returns {HTMLElement[]} entries of a list
 */
export function stepItems(all) {
  return all.map(({ word, at, beside, state, status }) =>
    h(
      "li",
      {
        class: "step",
        "data-state": state,
        "data-status": status,
        "aria-current": state === "now" && "step",
      },
      h("span", { class: "step-word" }, word),
      at && h("time", { class: "step-time", datetime: at, title: localTime(at) }, timeOfDay(at)),
      beside && h("span", { class: "step-beside" }, beside),
      state === "later" && h("span", { class: "unseen" }, " (not yet)"),
    ),
  );
}
