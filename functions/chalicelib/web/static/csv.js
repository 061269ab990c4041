/** A table of comma-separated values (RFC 4180), or separated by semicolons or tabs. */

import { h } from "./dom.js";

/**
 * @param {string} text
 * @param {boolean} whole whether this is all of the file
 * @param {number} most rows
 * @param {string} name of the file
 * @returns {HTMLElement}
 */
export function table(text, whole, most, name) {
  const found = rows(text, most + 2);
  if (!whole && found.length < most + 2) found.pop(); // which was cut
  const [heads = [], ...body] = found;
  const shown = body.slice(0, most);
  const cut = !whole || body.length > most;
  return h(
    "div",
    {},
    h(
      "div",
      { class: "table", tabindex: "0", role: "region", "aria-label": name },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
        h("tbody", {}, ...shown.map((row) => h("tr", {}, ...row.map((cell) => h("td", {}, cell))))),
      ),
    ),
    cut && h("p", { class: "soft" }, `The first ${shown.length} rows.`),
  );
}

/**
 * @param {string} text
 * @param {number} most
 */
function rows(text, most) {
  const line = text.split(/\r?\n/, 1)[0];
  const count = (/** @type {string} */ mark) => line.split(mark).length;
  const mark = [",", ";", "\t"].sort((one, other) => count(other) - count(one))[0];
  const cell = new RegExp(`("(?:[^"]|"")*"|[^${mark}\\r\\n]*)(${mark}|\\r?\\n|\\r|$)`, "y");
  const found = [];
  /** @type {string[]} */
  let row = [];
  while (cell.lastIndex < text.length && found.length < most) {
    const match = cell.exec(text);
    if (!match) break;
    const [, value, end] = match;
    row.push(value.startsWith('"') ? value.slice(1, -1).replaceAll('""', '"') : value);
    if (end === mark) continue;
    found.push(row);
    row = [];
  }
  if (row.length) found.push(row);
  return found;
}
