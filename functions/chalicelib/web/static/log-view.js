/** The log of one job, followed while it is written. */

import { getLog } from "./api.js";
import { h } from "./dom.js";

/** Characters kept on screen; the whole log is a link away. */
const KEPT = 200_000;
/** How far from the end, in pixels, still counts as reading along. */
const SLACK = 24;

export class LogView {
  /** The folding element to be put into a card; hidden while nothing was printed. */
  element;
  /** Whether everything that the job printed is here. */
  complete = false;
  #id;
  #text;
  #cut;
  /** @type {string|null} */
  #cursor = null;
  #length = 0;

  /**
   * @param {string} id of the job
   * @param {string} name for screen readers
   */
  constructor(id, name) {
    this.#id = id;
    this.#text = h("pre", {
      class: "log-text",
      tabindex: "0",
      role: "region",
      "aria-label": `Log of ${name}`,
    });
    this.#cut = h(
      "p",
      { class: "log-cut", hidden: true },
      "The log grew too long; a part of it was dropped.",
    );
    this.element = h(
      "details",
      { class: "fold log", open: true, hidden: true },
      h("summary", {}, "Log"),
      this.#cut,
      this.#text,
    );
  }

  /** Where there is room, more of it is seen at once. */
  tall() {
    this.#text.classList.add("tall");
  }

  /** The job runs again: what it prints follows what it printed before. */
  resume() {
    this.complete = false;
  }

  /**
   * Fetch what is new. Returns whether there was something. Throws ApiError.
   * @returns {Promise<boolean>}
   */
  async follow() {
    const asked = this.#cursor;
    const { data } = await getLog(this.#id, asked);
    if (asked !== this.#cursor) return false; // another question was answered first
    this.#cursor = data.next;
    this.complete = data.ended;
    if (data.cut) this.#cut.hidden = false;
    if (data.text) this.#append(data.text);
    return data.text !== "";
  }

  /** @param {string} text */
  #append(text) {
    this.element.hidden = false;
    const box = this.#text;
    const follows = box.scrollHeight - box.scrollTop - box.clientHeight < SLACK;
    box.append(text);
    this.#length += text.length;
    while (this.#length > KEPT && box.childNodes.length > 1) {
      this.#length -= box.firstChild.textContent.length;
      box.firstChild.remove();
      this.#cut.hidden = false;
    }
    if (follows) box.scrollTop = box.scrollHeight;
  }
}
