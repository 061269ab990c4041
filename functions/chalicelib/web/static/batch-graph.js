/**
 * The jobs of a batch as a graph: a list in the order of their dependencies, each a link to its page, laid out
 * in layers over a drawing of the edges. Jobs without edges follow as tiles; a batch that is too large is tiles only.
 */

import { h, setText, svg } from "./dom.js";
import { groups, inOrder, layout } from "./graph-layout.js";
import { ticketNumber } from "./job.js";
import { jobAddress } from "./route.js";

/** More than these nobody could follow. */
const MOST_JOBS = 120;
const MOST_EDGES = 300;
/** In rem. */
const WIDTH = 12;
const HEIGHT = 3.25;
const COLUMN = WIDTH + 3.5;
const ROW = HEIGHT + 0.75;
/** Length of an arrow's head. */
const HEAD = 0.6;

/** @type {Record<string, string>} what tells a status beside its colour */
export const SIGNS = {
  queued: "○",
  scheduled: "◔",
  deferred: "…",
  started: "►",
  finished: "✓",
  failed: "✗",
  stopped: "■",
  canceled: "–",
};

/** @typedef {import("./job.js").Job} Job */

export class BatchGraph {
  element = h("div", { class: "graph", role: "region", tabindex: "0", "aria-label": "Jobs of the batch" });
  #titleOf;
  /** @type {Map<string, Place>} */
  #places = new Map();
  /** @type {{element: SVGElement, from: string, to: string}[]} */
  #edges = [];
  #drawn = "";

  /** @param {(name: string) => string} titleOf */
  constructor(titleOf) {
    this.#titleOf = titleOf;
    for (const type of ["pointerover", "focusin", "pointerout", "focusout"])
      this.element.addEventListener(type, (/** @type {Event} */ { target }) =>
        this.#light(type.endsWith("out") ? "" : /** @type {Element} */ (target).closest("li")?.dataset.id),
      );
  }

  /** @param {Job[]} jobs in the batch's order */
  show(jobs) {
    const ids = jobs.map((job) => job.id).join();
    if (ids !== this.#drawn) this.#draw(jobs);
    this.#drawn = ids;
    for (const job of jobs) this.#places.get(job.id)?.show(job, this.#titleOf(job.task));
    for (const { element, from } of this.#edges) element.dataset.status = this.#places.get(from)?.status;
  }

  /** @param {Job[]} jobs */
  #draw(jobs) {
    const edges = jobs.reduce((sum, { after = [] }) => sum + after.length, 0);
    const large = jobs.length > MOST_JOBS || edges > MOST_EDGES;
    this.#edges = [];
    this.#places = new Map(jobs.map((job) => [job.id, new Place(job)]));
    const connected = large ? [] : groups(jobs).filter((group) => group.length > 1);
    const drawn = new Set(connected.flat());
    const others = inOrder(jobs.filter((job) => !drawn.has(job)));
    this.element.replaceChildren(
      ...connected.map((group) => this.#lay(group)),
      others.length ? this.#list(large ? "tiles dense" : "tiles", others) : "",
    );
  }

  /**
   * @param {string} name of its class
   * @param {Job[]} jobs
   */
  #list(name, jobs) {
    return h("ol", { class: name }, ...jobs.map((job) => this.#places.get(job.id)?.element));
  }

  /** @param {Job[]} jobs that belong together */
  #lay(jobs) {
    const { layers, edges, rows } = layout(jobs);
    const columns = new Map(layers.flatMap((layer, index) => layer.map((slot) => [slot, index * COLUMN])));
    for (const [slot, left] of columns) {
      const style = slot.job && this.#places.get(slot.job.id)?.element.style;
      if (style) [style.left, style.top] = [`${left}rem`, `${slot.row * ROW}rem`];
    }
    const drawn = edges.map(({ slots, from, to }) => {
      const points = slots.map((slot) => [columns.get(slot) ?? 0, slot.row * ROW + HEIGHT / 2]);
      return { element: edge(points), from: from.id, to: to.id };
    });
    this.#edges.push(...drawn);
    const width = layers.length * COLUMN - COLUMN + WIDTH;
    const height = (rows - 1) * ROW + HEIGHT;
    const drawing = svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
      ...drawn.map(({ element }) => element),
    );
    const list = this.#list("plane", inOrder(jobs));
    for (const { style } of [drawing, list]) [style.width, style.height] = [`${width}rem`, `${height}rem`];
    return h("div", {}, drawing, list);
  }

  /** @param {string|undefined} id of a job whose edges stand out; empty: none */
  #light(id) {
    for (const { element, from, to } of this.#edges)
      element.classList.toggle("lit", from === id || to === id);
  }
}

/**
 * From the right edge of the first place to the left edge of the last, across those between.
 * @param {number[][]} points
 */
function edge([[x, y], ...rest]) {
  const half = (COLUMN - WIDTH) / 2;
  let path = `M${x + WIDTH} ${y}`;
  for (const [index, [left, middle]] of rest.entries()) {
    const end = left - HEAD;
    path += `C${left - half} ${y} ${end - half} ${middle} ${end} ${middle}`;
    y = middle;
    if (index < rest.length - 1) path += `h${WIDTH + HEAD}`;
    x = left;
  }
  const head = svg("path", { class: "head", d: `M${x - HEAD} ${y - HEAD / 2}L${x} ${y}l-${HEAD} ${HEAD / 2}z` });
  return svg("g", {}, svg("path", { d: path }), head);
}

/** One job of the graph. */
class Place {
  status = "";
  element;
  #sign = h("span", { class: "sign", "aria-hidden": "true" });
  #title = h("span", { class: "place-title" });
  #word = h("span", {});
  #bar = h("progress", { max: "1", "aria-hidden": "true" });

  /** @param {Job} job */
  constructor({ id, after = [] }) {
    this.element = h(
      "li",
      { "data-id": id },
      h(
        "a",
        { class: "place", href: jobAddress(id) },
        this.#sign,
        this.#title,
        h(
          "span",
          { class: "place-facts" },
          h("span", { class: "crumb-number" }, ticketNumber(id)),
          " ",
          this.#word,
          after.length > 0 && h("span", { class: "unseen" }, ` after ${after.map(ticketNumber).join(", ")}`),
        ),
        this.#bar,
      ),
    );
  }

  /**
   * @param {Job} job
   * @param {string} title
   */
  show({ status, progress }, title) {
    const running = status === "started" && progress;
    this.status = status;
    this.element.dataset.status = status;
    setText(this.#sign, SIGNS[status] ?? "");
    setText(this.#title, title);
    setText(this.#word, running ? `${status} ${Math.round(progress.fraction * 100)} %` : status);
    this.element.firstChild.title = `${title}: ${status}`;
    this.#bar.hidden = !running;
    if (running) this.#bar.value = progress.fraction;
  }
}
