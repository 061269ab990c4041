/** Links to other jobs, by their tickets' numbers. */

import { h } from "./dom.js";
import { ticketNumber } from "./job.js";
import { jobAddress } from "./route.js";

/** More than these are only counted. */
const MOST = 50;
/** A job's id within a text. */
const ID = /\b([0-9a-z-]{36})\b/;

/** @param {string} id */
export const ticketLink = (id) => h("a", { class: "crumb-number", href: jobAddress(id) }, ticketNumber(id));

/**
 * @param {string[]} ids
 * @returns {(Node|string)[]}
 */
export function ticketLinks(ids) {
  const links = ids.slice(0, MOST).flatMap((id, index) => (index ? [", ", ticketLink(id)] : [ticketLink(id)]));
  return ids.length > MOST ? [...links, ` and ${(ids.length - MOST).toLocaleString()} more`] : links;
}

/**
 * A text whose ids are links.
 * @param {string} text
 * @returns {(Node|string)[]}
 */
export const linked = (text) => text.split(ID).map((part) => (ID.test(part) ? ticketLink(part) : part));
