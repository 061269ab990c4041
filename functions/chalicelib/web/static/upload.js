/** Sends a file: to the API what it is, to the store its bytes, each part again if it did not arrive. */

import { address, ApiError, beginUpload, completeUpload, dropUpload, getUpload } from "./api.js";

/** How often something is tried again, and the milliseconds before the first time, doubled with each. */
const TRIES = 5;
const PAUSE = 500;
/** The longest that an API which says when to come again is waited for, in seconds. */
const PATIENCE = 30;
/** A browser digests only what is in memory: of more bytes no SHA-256 is sent. */
const DIGESTED = 2 ** 27;
/** Answers below 500 that say nothing against the file: a link that is over, a server in a hurry. */
const PASSING = new Set([403, 408, 410, 429]);

export class Upload {
  #file;
  #type;
  #tell;
  #cancelled = false;
  /** @type {string|null} */
  #id = null;
  /** @type {XMLHttpRequest|null} */
  #request = null;
  /** @type {Map<number, any>} the links of parts that have not arrived, as far as they are known */
  #links = new Map();

  /**
   * @param {File} file
   * @param {string} type
   * @param {(fraction: number) => void} tell
   */
  constructor(file, type, tell) {
    this.#file = file;
    this.#type = type;
    this.#tell = tell;
  }

  cancel() {
    this.#cancelled = true;
    this.#request?.abort();
    if (this.#id) dropUpload(this.#id).catch(() => {}); // it expires anyway
  }

  /** @returns {Promise<import("./files.js").FileDocument>} throws ApiError */
  async send() {
    const file = this.#file;
    const about = { name: file.name, type: this.#type, size: file.size, ...(await sha256(file)) };
    const { data } = await this.#again(() => beginUpload(about));
    this.#id = data.id;
    this.#learn(data);
    const size = data.part_size ?? file.size;
    /** @type {{number: number, sha256?: string}[]} */
    const parts = [];
    for (let number = 1; number <= data.count; number++) {
      const piece = file.slice((number - 1) * size, number * size);
      await this.#part(data.id, number, piece, (number - 1) * size);
      if (data.count > 1) parts.push({ number, ...(await sha256(piece)) });
    }
    return (await this.#again(() => completeUpload(data.id, parts))).data;
  }

  /** @param {any} state */
  #learn(state) {
    for (const part of state.parts) this.#links.set(part.number, part);
  }

  /**
   * @param {string} id
   * @param {number} number
   * @param {Blob} piece
   * @param {number} before bytes of the parts before it
   */
  #part(id, number, piece, before) {
    return this.#again(async (tries) => {
      if (tries || !this.#links.has(number)) {
        this.#links.delete(number);
        this.#learn((await getUpload(id, number)).data);
      }
      const link = this.#links.get(number);
      if (link) await this.#put(link, piece, before); // else it has arrived, though its answer did not
    });
  }

  /**
   * @param {{method: string, url: string, headers: Record<string, string>}} link
   * @param {Blob} piece
   * @param {number} before
   * @returns {Promise<void>}
   */
  #put(link, piece, before) {
    const request = (this.#request = new XMLHttpRequest()); // which tells how far it is
    return new Promise((resolve, reject) => {
      const failed = (/** @type {string} */ detail) => reject(new ApiError(request.status, { detail }));
      request.open(link.method, address(link.url));
      for (const [name, value] of Object.entries(link.headers)) request.setRequestHeader(name, value);
      request.upload.onprogress = ({ loaded }) => this.#tell((before + loaded) / (this.#file.size || 1));
      request.onload = () => (request.status < 300 ? resolve() : failed(refusal(request)));
      request.onerror = request.onabort = () => failed("The connection broke off.");
      request.send(piece);
    });
  }

  /**
   * Do something until it succeeds, unless it never will.
   * @template T
   * @param {(tries: number) => Promise<T>} action
   * @returns {Promise<T>}
   */
  async #again(action) {
    for (let tries = 0; ; tries++) {
      try {
        return await action(tries);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const passing = (error.uncertain || PASSING.has(error.status)) && error.retryAfter <= PATIENCE;
        if (this.#cancelled || tries === TRIES || !passing) throw error;
        await new Promise((resolve) => setTimeout(resolve, Math.max(PAUSE * 2 ** tries, error.retryAfter * 1000)));
        if (this.#cancelled) throw error;
      }
    }
  }
}

/** @param {XMLHttpRequest} request */
function refusal({ status, responseText }) {
  try {
    return JSON.parse(responseText).detail;
  } catch {
    return `The files' store answered with status ${status}.`;
  }
}

/**
 * The member `sha256` of a file or a part. A page on plain HTTP can't make one.
 * @param {Blob} blob
 */
async function sha256(blob) {
  if (blob.size > DIGESTED || !crypto.subtle) return {};
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return { sha256: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") };
}
