/** What a job document says, and what may be done with it. */

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} task
 * @property {string} queue
 * @property {string} status
 * @property {{fraction: number, message: string}|null} progress
 * @property {Record<string, any>} arguments
 * @property {any} result
 * @property {import("./files.js").FileDocument|null} [result_file] where the result was too large
 * @property {{type: string, message: string, traceback?: string|null}|null} error
 * @property {number} attempt
 * @property {number} interrupted runs that ended with their worker
 * @property {string} created_at
 * @property {string|null} enqueued_at
 * @property {string|null} scheduled_for
 * @property {string|null} started_at
 * @property {string|null} ended_at
 * @property {string|null} worker
 * @property {boolean} stop_requested
 * @property {?string} owner
 * @property {string[]} [after] jobs that it waits for
 * @property {string|null} [batch]
 * @property {string|null} [parent]
 * @property {string[]} [children]
 * @property {{retry: string|null}} links
 */

/** All that a job can be, in the order of its life. */
export const STATUSES = [
  "queued",
  "scheduled",
  "deferred",
  "started",
  "finished",
  "failed",
  "stopped",
  "canceled",
];

const ENDED = new Set(["finished", "failed", "stopped", "canceled"]);
const WAITING = new Set(["queued", "scheduled", "deferred"]);

/** @param {Job} job */
export const hasEnded = (job) => ENDED.has(job.status);

/** @param {Job} job */
export const isWaiting = (job) => WAITING.has(job.status);

/**
 * Whether the caller may do more than look: links to what their scopes don't allow are null.
 * @param {Job} job
 */
export const mayChange = (job) => job.links.retry !== null;

/** @param {Job} job */
export const canStop = (job) => mayChange(job) && !hasEnded(job);

/** @param {Job} job */
export const canRetry = (job) => mayChange(job) && hasEnded(job) && job.status !== "finished";

/**
 * The number on the ticket: the end of the id, where jobs of the same moment differ.
 * @param {string} id
 */
export const ticketNumber = (id) => id.slice(-6);

/**
 * A title for a task that the catalogue does not have (any more): `examples.short_task` -> `Short task`.
 * @param {string} name
 */
export function titleOf(name) {
  const words =
    name
      .slice(name.lastIndexOf(".") + 1)
      .replaceAll("_", " ")
      .trim() || name;
  return words[0].toUpperCase() + words.slice(1);
}
