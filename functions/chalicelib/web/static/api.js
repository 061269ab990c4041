/** The HTTP API, one function for each call. All addresses are relative to the page's base. */

import { another, token } from "./door.js";
import { parse } from "./numbers.js";
import { noteServerTime } from "./time.js";

/** Milliseconds; longer than API Gateway's own limit of 29 s. */
const TIMEOUT = 32_000;

/**
 * @typedef {{pointer: string, detail: string}} FieldError
 * @typedef {{type?: string, title?: string, status?: number, detail?: string, errors?: FieldError[]}} Problem
 * @typedef {{data: any, retryAfter: number}} Answer `retryAfter` in seconds, 0 when not told
 */

/** A call that did not answer 2xx. `status` is 0 when there was no answer at all. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {Problem} problem
   * @param {number} retryAfter seconds
   */
  constructor(status, problem, retryAfter = 0) {
    super(problem.detail || problem.title || `The API answered with status ${status}.`);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  /** Whether the request may have had an effect all the same. */
  get uncertain() {
    return this.status === 0 || this.status >= 500;
  }
}

/**
 * The address of a path of the API, whatever the prefix that the page lives under.
 * @param {string} path
 */
export const address = (path) => new URL(path, document.baseURI).href;

/** @param {string} id */
export const jobPath = (id) => `jobs/${encodeURIComponent(id)}`;

/**
 * @param {string} path
 * @param {{method?: string, body?: any, headers?: Record<string, string>}} [options]
 * @returns {Promise<Answer>}
 */
async function call(path, { method = "GET", body, headers = {} } = {}) {
  /** @type {Response} */
  let response;
  let text;
  const used = token();
  const all = { ...headers };
  if (body !== undefined) all["Content-Type"] = "application/json";
  if (used) all["Authorization"] = `Bearer ${used}`;
  try {
    response = await fetch(address(path), {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT),
    });
    text = await response.text();
  } catch {
    throw new ApiError(0, { title: "The API can't be reached.", detail: "The API can't be reached." });
  }
  noteServerTime(response.headers.get("Date"));
  if (response.status === 401 && !asksForSignature(response)) {
    await another(used);
    return call(path, { method, body, headers });
  }
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  const data = parsed(text);
  if (!response.ok) throw new ApiError(response.status, asProblem(data), retryAfter);
  if (data === undefined && response.status !== 204) throw new ApiError(response.status, { detail: "The answer is not JSON." });
  return { data, retryAfter };
}

/**
 * Whether the API goes by IAM: no token would help, and a page can't sign its requests.
 * @param {Response} response
 */
const asksForSignature = (response) =>
  (response.headers.get("WWW-Authenticate") ?? "").startsWith("AWS4-HMAC-SHA256");

/** @param {string} text */
function parsed(text) {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

/**
 * A gateway's own errors are not problem documents: take what text they have.
 * @param {any} data
 * @returns {Problem}
 */
function asProblem(data) {
  if (data === null || typeof data !== "object") return {};
  return "title" in data ? data : { detail: data.message ?? data.Message };
}

/**
 * Announce a file.
 * @param {{name: string, type: string, size: number, sha256?: string}} about
 */
export const beginUpload = (about) => call("uploads", { method: "POST", body: about });

/**
 * What has arrived of a file, with links of parts from one on.
 * @param {string} id
 * @param {number} number
 */
export const getUpload = (id, number) => call(`${uploadPath(id)}?parts=${number}-${number + 99}`);

/**
 * All of it has arrived.
 * @param {string} id
 * @param {{number: number, sha256?: string}[]} parts
 */
export const completeUpload = (id, parts) =>
  call(`${uploadPath(id)}/complete`, { method: "POST", body: { parts } });

/** @param {string} id */
export const dropUpload = (id) => call(uploadPath(id), { method: "DELETE" });

/** @param {string} id */
const uploadPath = (id) => `uploads/${encodeURIComponent(id)}`;

export const getTasks = () => call("tasks");
export const getQueues = () => call("queues");
export const getSchedules = () => call("schedules");

/**
 * @param {string} task
 * @param {"pause"|"resume"|"run"} what
 */
export const tellSchedule = (task, what) =>
  call(`schedules/${encodeURIComponent(task)}/${what}`, { method: "POST", body: {} });

/**
 * A page of the newest jobs.
 * @param {Record<string, string|number|null>} filters status, task, queue, batch, cursor, limit; null: none
 */
export function getJobs(filters) {
  const set = Object.entries(filters).filter(([, value]) => value !== null);
  return call(`jobs?${new URLSearchParams(set.map(([name, value]) => [name, String(value)]))}`);
}

/** @param {string} id */
export const getJob = (id) => call(jobPath(id));

/**
 * @param {string} id
 * @param {string|null} after the cursor of the last answer
 */
export const getLog = (id, after) =>
  call(`${jobPath(id)}/log${after === null ? "" : `?after=${encodeURIComponent(after)}`}`);

/** @param {string} id */
const batchPath = (id) => `batches/${encodeURIComponent(id)}`;

/** @param {string} id */
export const getBatch = (id) => call(batchPath(id));

/** @param {string} id */
export const cancelBatch = (id) => call(batchPath(id), { method: "DELETE" });

/** @param {string} id */
export const stopJob = (id) => call(jobPath(id), { method: "DELETE" });

/** @param {string} id */
export const retryJob = (id) => call(`${jobPath(id)}/retry`, { method: "POST", body: {} });

/** The last submission whose fate is unknown: sent again, it must not become a second job. */
let uncertain = { request: "", key: "" };

/**
 * Submit a job. Each call is a job of its own, except that after a lost answer the same
 * submission is sent with the same `Idempotency-Key`.
 * @param {string} task
 * @param {Record<string, any>} args
 */
export async function submitTask(task, args) {
  const request = JSON.stringify([task, args]);
  const key = uncertain.request === request ? uncertain.key : newKey();
  uncertain = { request: "", key: "" };
  try {
    return await call(`tasks/${encodeURIComponent(task)}`, {
      method: "POST",
      body: args,
      headers: { "Idempotency-Key": key },
    });
  } catch (error) {
    if (error instanceof ApiError && error.uncertain) uncertain = { request, key };
    throw error;
  }
}

/** 128 random bits in hexadecimal. (`crypto.randomUUID` is missing on plain HTTP.) */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
