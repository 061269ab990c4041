/** How a job ended: its result, or why there is none. */

import { copyButton, downloadButton } from "./copy.js";
import { h } from "./dom.js";
import { fileView } from "./file-view.js";
import { filesIn, isFile } from "./files.js";
import { hasEnded, ticketNumber } from "./job.js";
import { linked } from "./ticket-links.js";
import { tree } from "./tree.js";

/** @typedef {import("./job.js").Job} Job */

export class Outcome {
  element = h("div", { class: "outcome" });
  #heading;

  /** @param {number} level of the heading */
  constructor(level) {
    this.#heading = `h${level}`;
  }

  /** @param {Job} job */
  show(job) {
    if (job.status === "finished") this.element.replaceChildren(this.#result(job));
    else if (hasEnded(job) && job.error) this.element.replaceChildren(this.#failure(job.error));
    else this.element.replaceChildren();
  }

  /** @param {Job} job a finished one */
  #result({ id, result, result_file }) {
    const files = result_file ? [result_file] : filesIn(result);
    const none = result === null;
    const bare = result_file || isFile(result); // a file says all
    let shown;
    if (bare) shown = null;
    else if (none) shown = h("p", { class: "result-none" }, "Done; the task returned nothing.");
    else if (typeof result === "string") shown = box("result-text", "Result", result);
    else shown = tree(result);
    const plain = typeof result === "string";
    const text = () => (plain ? result : JSON.stringify(result, null, 2));
    const file = `result-${ticketNumber(id)}.${plain ? "txt" : "json"}`;
    return h(
      "div",
      { class: "result" },
      h(
        "div",
        { class: "part-head" },
        h(this.#heading, {}, "Result"),
        !none && !bare && copyButton("result", text),
        !none && !bare && downloadButton("result", file, plain ? "text/plain" : "application/json", text),
      ),
      shown,
      ...files.map((file) => fileView(file, id)),
    );
  }

  /** @param {NonNullable<Job["error"]>} error */
  #failure({ type, message, traceback }) {
    return h(
      "div",
      { class: "failure" },
      h(
        "div",
        { class: "part-head" },
        h(this.#heading, {}, "Error"),
        traceback && copyButton("traceback", () => traceback),
      ),
      h(
        "p",
        { class: "failure-text" },
        h("strong", { class: "failure-type" }, type),
        ...(message ? [": ", ...(type === "DependencyFailed" ? linked(message) : [message])] : []),
      ),
      traceback &&
        h(
          "details",
          { class: "fold" },
          h("summary", {}, "Traceback"),
          box("log-text", "Traceback", traceback),
        ),
    );
  }
}

/**
 * Text that scrolls in a box, also by the keyboard.
 * @param {string} name of its class
 * @param {string} label
 * @param {string} text
 */
function box(name, label, text) {
  return h("pre", { class: name, tabindex: "0", role: "region", "aria-label": label }, text);
}
