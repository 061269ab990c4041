/** How a job ended: its result, or why there is none. */

import { h } from "./dom.js";
import { tree } from "./tree.js";

/**
 * @param {import("./job.js").Job} job an ended job
 * @returns {HTMLElement|null}
 */
export function outcome(job) {
  if (job.status === "finished") return result(job.result);
  if (job.error) return failure(job.error);
  return null;
}

/** @param {any} value */
function result(value) {
  let shown;
  if (value === null) shown = h("p", { class: "result-none" }, "Done; the task returned nothing.");
  else if (typeof value === "string")
    shown = h("pre", { class: "result-text", tabindex: "0", role: "region", "aria-label": "Result" }, value);
  else shown = tree(value);
  return h("div", { class: "result" }, h("h4", {}, "Result"), shown);
}

/** @param {NonNullable<import("./job.js").Job["error"]>} error */
function failure(error) {
  return h(
    "div",
    { class: "failure" },
    h("h4", {}, "Error"),
    h(
      "p",
      { class: "failure-text" },
      h("strong", { class: "failure-type" }, error.type),
      error.message && `: ${error.message}`,
    ),
    error.traceback &&
      h(
        "details",
        { class: "fold" },
        h("summary", {}, "Traceback"),
        h(
          "pre",
          { class: "log-text", tabindex: "0", role: "region", "aria-label": "Traceback" },
          error.traceback,
        ),
      ),
  );
}
