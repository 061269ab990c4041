/** A queue's depth over the last minutes, as far as this page has seen it. */

import { h, svg } from "./dom.js";
import { KEPT } from "./queues.js";
import { timeOfDay } from "./time.js";

const WIDTH = 600;
const HEIGHT = 96;
/** Milliseconds that the width stands for at least. */
const SHORTEST = 60_000;
/** Milliseconds between two samples from which on nothing is drawn: nobody looked in between. */
const GAP = 20_000;
/** The least that the upper edge stands for, so that one waiting job is not a wall. */
const LEAST = 4;

/** @typedef {import("./queues.js").Sample} Sample */

/**
 * @param {string} name of the queue
 * @param {Sample[]} samples oldest first, at least one
 * @returns {HTMLElement}
 */
export function depthChart(name, samples) {
  const now = samples[samples.length - 1];
  const most = Math.max(...samples.map(({ queued, started }) => Math.max(queued, started)));
  const top = Math.max(LEAST, most);
  const minutes = Math.ceil(Math.min(KEPT, Math.max(SHORTEST, now.at - samples[0].at)) / 60_000);
  const x = (/** @type {Sample} */ { at }) => WIDTH - ((now.at - at) / (minutes * 60_000)) * WIDTH;
  const y = (/** @type {number} */ value) => HEIGHT - (value / top) * (HEIGHT - 4) - 2;
  const runs = unbroken(samples);
  const peak = Math.max(...samples.map(({ queued }) => queued));
  const label = `Depth of ${name} since ${timeOfDay(new Date(samples[0].at).toISOString())}: at most ${peak} queued, now ${now.queued} queued and ${now.started} started`;
  const drawing = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      class: "chart",
      role: "img",
      "aria-label": label,
    },
    svg("path", { class: "chart-line", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }),
    ...runs.map((run) => svg("path", { class: "chart-area", d: area(run, x, ({ queued }) => y(queued)) })),
    ...runs.map((run) => svg("path", { class: "chart-queued", d: line(run, x, ({ queued }) => y(queued)) })),
    ...runs.map((run) =>
      svg("path", { class: "chart-started", d: line(run, x, ({ started }) => y(started)) }),
    ),
  );
  return h(
    "figure",
    { class: "depth" },
    h(
      "div",
      { class: "depth-plot" },
      h("span", { class: "depth-top", "aria-hidden": "true" }, `${top}`),
      drawing,
    ),
    h(
      "figcaption",
      { class: "depth-axis" },
      h("span", {}, `${minutes} min ago`),
      h(
        "span",
        { class: "depth-key", "aria-hidden": "true" },
        h("i", { class: "key-queued" }),
        "queued ",
        h("i", { class: "key-started" }),
        "started",
      ),
      h("span", {}, "now"),
    ),
  );
}

/**
 * @param {Sample[]} samples
 * @returns {Sample[][]}
 */
function unbroken(samples) {
  /** @type {Sample[][]} */
  const runs = [];
  for (const sample of samples) {
    const run = runs[runs.length - 1];
    if (run && sample.at - run[run.length - 1].at < GAP) run.push(sample);
    else runs.push([sample]);
  }
  return runs;
}

/**
 * Steps: a depth holds until the next look.
 * @param {Sample[]} run
 * @param {(sample: Sample) => number} x
 * @param {(sample: Sample) => number} y
 */
function line(run, x, y) {
  const [first, ...rest] = run;
  const start = `M${x(first).toFixed(1)} ${y(first).toFixed(1)}`;
  if (!rest.length) return `${start}h1`;
  return start + rest.map((sample) => `H${x(sample).toFixed(1)}V${y(sample).toFixed(1)}`).join("");
}

/**
 * @param {Sample[]} run
 * @param {(sample: Sample) => number} x
 * @param {(sample: Sample) => number} y
 */
function area(run, x, y) {
  const last = run[run.length - 1];
  return `${line(run, x, y)}L${x(last).toFixed(1)} ${HEIGHT}H${x(run[0]).toFixed(1)}Z`;
}
