/** Files in documents: what they are called, how large they are, what they may be. */

/**
 * @typedef {object} FileDocument
 * @property {string} $file its id
 * @property {string} name
 * @property {string} type
 * @property {number} size
 * @property {?string} url a link that dies soon
 * @property {?string} expires_at when
 */

/** Where a browser may know no type, or another one than everybody else. */
const BY_NAME = new Map([
  ["csv", "text/csv"],
  ["json", "application/json"],
  ["md", "text/markdown"],
]);

/** @param {any} value */
export const isFile = (value) => typeof value?.$file === "string" && "name" in value && "size" in value;

/**
 * All files in a JSON value.
 * @param {any} value
 * @returns {FileDocument[]}
 */
export function filesIn(value) {
  if (value === null || typeof value !== "object") return [];
  return isFile(value) ? [value] : Object.values(value).flatMap(filesIn);
}

/**
 * A size in words: `1.5 MB`.
 * @param {number} size
 */
export function bytes(size) {
  const step = size < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(size) / 3));
  return `${Number((size / 1000 ** step).toPrecision(3))} ${["bytes", "kB", "MB", "GB"][step]}`;
}

/**
 * The type of a file that somebody chose.
 * @param {File} file
 * @param {string[]} types that it may have
 */
export function typeOf({ name, type }, types) {
  const only = types.length === 1 && !types[0].includes("*") ? types[0] : "application/octet-stream";
  const end = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
  return BY_NAME.get(end) ?? (type.split(";")[0] || only);
}

/**
 * Why a file is not what is asked for, empty: it is.
 * @param {number} size
 * @param {string} type
 * @param {import("./schema.js").Schema} schema
 */
export function fault(size, type, { "x-types": types = [], "x-max-size": most }) {
  if (most !== undefined && size > most) return `This may have at most ${bytes(most)}.`;
  const fits = (/** @type {string} */ one) =>
    one === type || (one.endsWith("*") && type.startsWith(one.slice(0, -1)));
  return types.length && !types.some(fits) ? `This should be ${types.join(" or ")}.` : "";
}
