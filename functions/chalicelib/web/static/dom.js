/** Making elements. Data only ever becomes text or an attribute, never markup. */

import { textOf } from "./numbers.js";

let lastId = 0;

/**
 * A new id, unique in this page.
 * @param {string} prefix
 */
export const uniqueId = (prefix) => `${prefix}-${++lastId}`;

/**
 * Make an element: `h("a", {href, class: "x", onclick: f}, "text", otherElement)`.
 * Attributes that are null, undefined or false are left out; true becomes an empty value.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {any} the element
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * The same for a drawing.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...Node} children
 * @returns {any} the element
 */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/**
 * @param {Element} element
 * @param {Record<string, any>} attributes
 * @param {(Node|string|null|undefined|false)[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : textOf(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/**
 * Set an element's text only when it differs, so that screen readers and selections are left in peace.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Say something to screen readers without moving the focus.
 * @param {string} text
 */
export function announce(text) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = text;
}
