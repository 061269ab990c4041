/** The queues: depth, oldest wait, and what each worker does now. */

import { getJobs } from "./api.js";
import { depthChart } from "./chart.js";
import { h } from "./dom.js";
import { ticketNumber } from "./job.js";
import { PolledView } from "./polled-view.js";
import { jobAddress, listAddress } from "./route.js";
import { ago, duration, secondsBetween, timeOfDay } from "./time.js";

/** As many running jobs are asked for: the API's own limit. */
const MOST = 200;

/**
 * @typedef {import("./job.js").Job} Job
 * @typedef {import("./queues.js").Queue} Queue
 * @typedef {import("./queues.js").Worker} Worker
 */

export class QueuesPage extends PolledView {
  title = "Queues";
  #app;
  #queues;
  /** @type {Map<string, Job>} what runs, by id */
  #running = new Map();
  #list = h(
    "div",
    { class: "queue-list", "aria-busy": "true" },
    h("p", { class: "loading" }, "Fetching the queues…"),
  );
  #note = h("p", { class: "soft queue-note" });

  /**
   * @param {HTMLElement} parent
   * @param {import("./app.js").App} app
   * @param {import("./queues.js").Queues} queues
   */
  constructor(parent, app, queues) {
    super("Queues", () => this.#ask(), { first: 2000, slowest: 5000, hidden: 60_000 });
    this.#app = app;
    this.#queues = queues;
    parent.replaceChildren(h("div", { class: "view" }, this.heading, this.#list, this.#note));
    this.#show();
    this.poller.start();
  }

  /** The tasks got their titles, or the queues have news. */
  rename() {
    this.#show();
  }

  async #ask() {
    const { data, retryAfter } = await getJobs({ status: "started", limit: MOST });
    const ids = [...this.#running.keys()].join();
    this.#running = new Map(data.jobs.map((/** @type {Job} */ job) => [job.id, job]));
    this.#show();
    return { changed: ids !== [...this.#running.keys()].join(), retryAfter };
  }

  #show() {
    const { known, samples } = this.#queues;
    if (!known) return;
    this.#list.removeAttribute("aria-busy");
    const focused = /** @type {HTMLElement|null} */ (document.activeElement)?.dataset.key;
    this.#list.replaceChildren(...known.map((queue) => this.#queue(queue, samples.get(queue.name) ?? [])));
    if (focused)
      /** @type {HTMLElement|null} */ (
        this.#list.querySelector(`[data-key="${CSS.escape(focused)}"]`)
      )?.focus();
    const first = samples.get(known[0]?.name ?? "")?.[0];
    if (first)
      this.#note.textContent = `The charts show what this page saw since ${timeOfDay(new Date(first.at).toISOString())}; where nothing is drawn, it did not look.`;
  }

  /**
   * @param {Queue} queue
   * @param {import("./queues.js").Sample[]} samples
   */
  #queue({ name, counts, oldest_wait, workers }, samples) {
    const busy = workers.filter((worker) => worker.job).length;
    return h(
      "section",
      { class: "queue-card", "aria-label": `Queue ${name}` },
      h("h3", { class: "queue-title" }, name),
      h(
        "dl",
        { class: "figures" },
        figure("queued", counts.queued, { queue: name, status: "queued" }),
        figure("oldest waits", oldest_wait === null ? "–" : duration(oldest_wait)),
        figure("started", counts.started, { queue: name, status: "started" }),
        figure("scheduled", (counts.scheduled ?? 0) + (counts.deferred ?? 0), {
          queue: name,
          status: "scheduled",
        }),
        figure("failed", counts.failed, { queue: name, status: "failed" }),
        figure("workers busy", `${busy} of ${workers.length}`),
      ),
      samples.length > 0 && depthChart(name, samples),
      workers.length
        ? h("ul", { class: "workers" }, ...workers.map((worker) => this.#worker(worker)))
        : h("p", { class: "empty-workers" }, "No worker is alive here: its jobs wait until one comes."),
    );
  }

  /** @param {Worker} worker */
  #worker({ name, state, job, hostname, pid, last_heartbeat }) {
    const known = job ? this.#running.get(job) : undefined;
    return h(
      "li",
      { class: "worker" },
      h("span", { class: job ? "worker-dot busy" : "worker-dot", "aria-hidden": "true" }),
      h("span", { class: "worker-name", title: `${hostname}, process ${pid}` }, name),
      h(
        "span",
        { class: "worker-doing" },
        job
          ? h(
              "a",
              { href: jobAddress(job), "data-key": job },
              known ? `${this.#app.titleOf(known.task)} ` : "",
              h("code", {}, ticketNumber(job)),
            )
          : state,
        known?.started_at && ` for ${duration(secondsBetween(known.started_at))}`,
      ),
      known?.progress
        ? h("progress", {
            max: 1,
            value: known.progress.fraction,
            "aria-label": `Progress of ticket ${ticketNumber(known.id)}`,
          })
        : h("span", {}),
      h("span", { class: "worker-beat" }, last_heartbeat && `seen ${ago(last_heartbeat)}`),
    );
  }
}

/**
 * @param {string} word
 * @param {number|string|undefined} value
 * @param {Record<string, string>} [filters] of the list that shows them
 */
function figure(word, value = 0, filters) {
  const shown = typeof value === "number" ? value.toLocaleString() : value;
  const link = filters && value !== 0;
  return h(
    "div",
    { class: "figure", "data-count": word, "data-zero": value === 0 },
    h("dt", {}, word),
    h(
      "dd",
      {},
      link ? h("a", { href: listAddress(filters), "data-key": `${filters.queue}/${word}` }, shown) : shown,
    ),
  );
}
