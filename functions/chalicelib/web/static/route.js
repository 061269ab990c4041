/**
 * Which view the address names: `#/`, `#/jobs?status=failed`, `#/jobs/ID`, `#/batches/ID`, `#/queues`, `#/schedules`.
 * It stands in the fragment, so one page serves all views below any prefix, and no id gets into a server's log.
 */

/** @typedef {{view: string, id: string|null, params: URLSearchParams}} Route `view` is empty for the desk */

/**
 * @param {string} hash of an address, with its `#`
 * @returns {Route}
 */
export function parseRoute(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  const [view = "", id = null] = path.split("/").filter(Boolean).map(decoded);
  return { view, id, params: new URLSearchParams(query) };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {string} id */
export const jobAddress = (id) => `#/jobs/${encodeURIComponent(id)}`;

/** @param {string} id */
export const batchAddress = (id) => `#/batches/${encodeURIComponent(id)}`;

/**
 * The list's address. What is empty or missing is left out.
 * @param {Record<string, string|null|undefined>} filters
 */
export function listAddress(filters) {
  const known = /** @type {[string, string][]} */ (Object.entries(filters).filter(([, value]) => value));
  return known.length ? `#/jobs?${new URLSearchParams(known)}` : "#/jobs";
}

/**
 * A page that came without the slash at its end gets the address that its base names:
 * otherwise each link to a view would load the page again.
 */
export function settleAddress() {
  const base = document.querySelector("base");
  if (!base) return;
  base.href = String(base.href); // absolute from here on
  history.replaceState(null, "", base.href + location.hash);
}
