/** The log of one job, followed while it is written. */

import { AnsiWriter } from "./ansi.js";
import { getLog } from "./api.js";
import { copyButton, downloadButton } from "./copy.js";
import { h } from "./dom.js";
import { ticketNumber } from "./job.js";

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
  #writer;
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
    this.#writer = new AnsiWriter(this.#text);
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

  /** Where there is room, more of it is seen at once, and can be taken away. */
  tall() {
    this.#text.classList.add("tall");
    this.#text.before(
      h(
        "div",
        { class: "log-tools" },
        copyButton("log", () => this.#text.textContent ?? ""),
        downloadButton("log", `log-${ticketNumber(this.#id)}.txt`, "text/plain", () => this.#whole()),
      ),
    );
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

  /** All that is kept of it, from the first line on, as it was printed. */
  async #whole() {
    let whole = "";
    /** @type {string|null} */
    let cursor = null;
    for (;;) {
      const { data } = await getLog(this.#id, cursor);
      if (!data.text) return whole;
      whole += data.text;
      cursor = data.next;
    }
  }

  /** @param {string} text */
  #append(text) {
    this.element.hidden = false;
    const box = this.#text;
    const follows = box.scrollHeight - box.scrollTop - box.clientHeight < SLACK;
    this.#length += this.#writer.write(text);
    while (this.#length > KEPT && box.childNodes.length > 1) {
      this.#length -= box.firstChild.textContent.length;
      box.firstChild.remove();
      this.#cut.hidden = false;
    }
    if (follows) box.scrollTop = box.scrollHeight;
  }
}
