/** JSON that keeps numbers exactly which JavaScript's own can't hold, where the browser can (`JSON.rawJSON`). */

/** @type {any} */
const engine = JSON;

/** RFC 8259. */
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;

/** Whether a number of any size can be kept. */
export const exact = typeof engine.rawJSON === "function";

/**
 * @param {string} text
 * @returns {any} throws SyntaxError
 */
export const parse = (text) => JSON.parse(text, exact ? keep : undefined);

/**
 * @param {string} _key
 * @param {any} value
 * @param {{source?: string}} [context]
 */
function keep(_key, value, context) {
  const lossy = typeof value === "number" && !Number.isSafeInteger(value) && !(value % 1);
  return lossy && context?.source ? engine.rawJSON(context.source) : value;
}

/**
 * A number as somebody typed it; undefined where it can't be kept exactly.
 * @param {string} text a valid number
 * @returns {any}
 */
export function numberOf(text) {
  const value = Number(text);
  if (Number.isSafeInteger(value) || !Number.isInteger(value)) return value;
  if (!exact) return /^-?\d+$/.test(text) ? undefined : value;
  const number = text.replace(/^(-?)0+(?=\d)/, "$1");
  return JSON_NUMBER.test(number) ? engine.rawJSON(number) : value;
}

/**
 * A value as text: such a number, or anything else.
 * @param {any} value
 * @returns {string}
 */
export const textOf = (value) => (isExact(value) ? value.rawJSON : String(value));

/**
 * Whether a value is such a number.
 * @param {any} value
 * @returns {value is {rawJSON: string}}
 */
export const isExact = (value) => exact && engine.isRawJSON(value);
