/** A file of a result: shown in place where that is safe and small, and to be downloaded. */

import { address, getJob } from "./api.js";
import { table } from "./csv.js";
import { h } from "./dom.js";
import { bytes, filesIn } from "./files.js";
import { parse } from "./numbers.js";
import { serverNow } from "./time.js";
import { tree } from "./tree.js";

/** @typedef {import("./files.js").FileDocument} FileDocument */

/** Pictures that browsers show. In an `<img>` an SVG runs no script and loads nothing. */
const PICTURE = /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml)$/;
/** Characters that are read of a text, and bytes of JSON up to which it is shown. */
const MOST_TEXT = 2 ** 16;
const MOST_JSON = 2 ** 21;
/** Rows that are shown of a table. */
const MOST_ROWS = 200;

/**
 * @param {FileDocument} file
 * @param {string} job the id of the job that has it
 * @returns {HTMLElement}
 */
export function fileView(file, job) {
  const { name, type, size, url } = file;
  const link = url && h(
    "a",
    { class: "small", href: address(url), download: name },
    "Download",
    h("span", { class: "unseen" }, ` ${name}`),
  );
  link?.addEventListener("click", (/** @type {Event} */ event) => renewed(event, file, job));
  return h(
    "figure",
    { class: "file" },
    h(
      "figcaption",
      { class: "part-head" },
      h("span", { class: "file-name" }, name),
      h("span", { class: "soft" }, `${type}, ${bytes(size)}`),
      link,
    ),
    url && size > 0 && preview(file),
  );
}

/**
 * A link dies: by then the job tells a new one.
 * @param {Event} event
 * @param {FileDocument} file
 * @param {string} job
 */
async function renewed(event, file, job) {
  if (serverNow() < Date.parse(file.expires_at ?? "")) return;
  event.preventDefault();
  const { data } = await getJob(job);
  const now = filesIn(data).find(({ $file }) => $file === file.$file);
  if (!now?.url) return;
  Object.assign(file, now);
  const link = /** @type {HTMLAnchorElement} */ (event.currentTarget ?? event.target);
  link.href = address(now.url);
  link.click();
}

/** @param {FileDocument} file */
function preview(file) {
  const { name, type, size } = file;
  if (PICTURE.test(type)) return h("img", { src: address(/** @type {string} */ (file.url)), alt: name });
  if (type === "text/csv") return later(file, (text, whole) => table(text, whole, MOST_ROWS, name));
  if (type === "application/json")
    return size <= MOST_JSON && later(file, (text) => tree(parse(text)), MOST_JSON);
  return (
    type.startsWith("text/") &&
    later(file, (text, whole) =>
      h(
        "pre",
        { class: "result-text", tabindex: "0", role: "region", "aria-label": name },
        whole ? text : `${text}…`,
      ),
    )
  );
}

/**
 * A place for what is made of a file's beginning, once that is here.
 * @param {FileDocument} file
 * @param {(text: string, whole: boolean) => HTMLElement} make
 * @param {number} most characters
 */
function later(file, make, most = MOST_TEXT) {
  const place = h("div", { "aria-busy": "true" });
  beginning(address(/** @type {string} */ (file.url)), most)
    .then(({ text, whole }) => place.replaceChildren(make(text, whole)))
    .catch(() => place.replaceChildren(h("p", { class: "soft" }, "It can't be shown here.")))
    .finally(() => place.removeAttribute("aria-busy"));
  return place;
}

/**
 * @param {string} url
 * @param {number} most
 */
async function beginning(url, most) {
  const { ok, body } = await fetch(url, { credentials: "omit" });
  if (!ok || !body) throw new Error("no file");
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (text.length <= most) {
    const { done, value } = await reader.read();
    if (done) return { text, whole: true };
    text += value;
  }
  reader.cancel();
  return { text: text.slice(0, most), whole: false };
}
