/** A JSON value as something to read: a tree that folds. */

import { h } from "./dom.js";
import { bytes, isFile } from "./files.js";
import { isExact } from "./numbers.js";

/** Levels that start unfolded. */
const OPEN_LEVELS = 2;
/** Entries shown at once; more on demand, so that a large result does not freeze the page. */
const PAGE = 100;

/**
 * @param {any} value any JSON value
 * @returns {HTMLElement}
 */
export function tree(value) {
  return h("div", { class: "tree" }, node(value, 0));
}

/**
 * @param {any} value
 * @param {number} depth
 * @returns {Node}
 */
function node(value, depth) {
  if (value === null || typeof value !== "object") return leaf(value);
  if (isExact(value)) return h("span", { class: "tree-number" }, value.rawJSON);
  if (isFile(value)) return h("span", { class: "tree-file" }, `${value.name} (${bytes(value.size)})`);
  const list = Array.isArray(value);
  const keys = list ? [...value.keys()] : Object.keys(value);
  if (!keys.length) return h("span", { class: "tree-empty" }, list ? "[ ]" : "{ }");
  const count = `${keys.length} ${list ? "item" : "field"}${keys.length === 1 ? "" : "s"}`;
  const entries = h("ul", { class: "tree-entries" });
  const branch = h(
    "details",
    { open: depth < OPEN_LEVELS },
    h("summary", {}, h("span", { class: "tree-count" }, list ? `[ ${count} ]` : `{ ${count} }`)),
    entries,
  );
  const fill = () => entries.childElementCount || more(entries, value, keys, 0, depth);
  if (branch.open) fill();
  else branch.addEventListener("toggle", fill);
  return branch;
}

/**
 * @param {HTMLElement} entries
 * @param {any} value
 * @param {(string|number)[]} keys
 * @param {number} from
 * @param {number} depth
 */
function more(entries, value, keys, from, depth) {
  for (const key of keys.slice(from, from + PAGE))
    entries.append(
      h(
        "li",
        {},
        h("span", { class: "tree-key" }, `${key}`),
        h("span", { class: "tree-colon" }, ": "),
        node(value[key], depth + 1),
      ),
    );
  const left = keys.length - from - PAGE;
  if (left <= 0) return;
  const button = h("button", { type: "button", class: "link" }, `${left} more`);
  const item = h("li", {}, button);
  button.addEventListener("click", () => {
    item.remove();
    more(entries, value, keys, from + PAGE, depth);
  });
  entries.append(item);
}

/** @param {string|number|boolean|null} value */
function leaf(value) {
  const type = value === null ? "null" : typeof value;
  return h("span", { class: `tree-${type}` }, JSON.stringify(value));
}
