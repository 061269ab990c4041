/** The tickets on the page: opened, watched, put away, and still there after a reload. */

import { getJob, submitTask } from "./api.js";
import { h } from "./dom.js";
import { JobCard } from "./job-card.js";

/** More cards than this are a list, and there is one below. */
const MOST = 24;
const STORED = "coatcheck.tickets";

/**
 * @typedef {import("./job.js").Job} Job
 */

export class Tickets {
  /** @type {Map<string, JobCard>} by job id, oldest first */
  #cards = new Map();
  #app;
  #list = h("div", { class: "tickets" });
  #nothing = h("p", { class: "no-tickets" }, "Run a task and its ticket hangs here.");

  /**
   * @param {HTMLElement} parent
   * @param {import("./app.js").App} app
   */
  constructor(parent, app) {
    this.#app = app;
    parent.append(this.#nothing, this.#list);
  }

  /**
   * Hang up a ticket, or find the one that hangs there.
   * @param {Job} job
   * @param {number} [retryAfter] seconds until the first question
   */
  open(job, retryAfter = 0) {
    const known = this.#cards.get(job.id);
    if (known) return known;
    const card = new JobCard(job, {
      titleOf: this.#app.titleOf,
      onChange: this.#app.refresh,
      onEdit: this.#app.edit,
      onRunAgain: async ({ task, arguments: args }) => {
        const { data, retryAfter } = await submitTask(task, args);
        this.open(data, retryAfter).show();
        this.#app.refresh();
      },
      onClose: () => this.#close(job.id),
    });
    this.#cards.set(job.id, card);
    this.#list.prepend(card.element);
    card.start(retryAfter);
    for (const id of [...this.#cards.keys()].slice(0, -MOST)) this.#remove(id);
    this.#changed();
    return card;
  }

  /** Hang up the tickets that were there before a reload. */
  async restore() {
    for (const id of stored()) await this.openById(id).catch(() => {});
  }

  /**
   * @param {string} id
   * @returns {Promise<JobCard>} throws ApiError
   */
  async openById(id) {
    return this.#cards.get(id) ?? this.open((await getJob(id)).data);
  }

  /** Ask for all again as soon as allowed. */
  poke() {
    for (const card of this.#cards.values()) card.poke();
  }

  /** The tasks got their titles. */
  rename() {
    for (const card of this.#cards.values()) card.rename();
  }

  /** @param {string} id */
  #close(id) {
    const element = this.#cards.get(id)?.element;
    const next = element?.nextElementSibling ?? element?.previousElementSibling;
    const neighbour = [...this.#cards.values()].find((card) => card.element === next);
    this.#remove(id);
    this.#changed();
    neighbour?.focus(); // or else the focus would be lost
  }

  /** @param {string} id */
  #remove(id) {
    const card = this.#cards.get(id);
    card?.stop();
    card?.element.remove();
    this.#cards.delete(id);
  }

  #changed() {
    this.#nothing.hidden = this.#cards.size > 0;
    try {
      sessionStorage.setItem(STORED, JSON.stringify([...this.#cards.keys()]));
    } catch {
      // no storage: the tickets last until the reload
    }
  }
}

/** @returns {string[]} */
function stored() {
  try {
    const ids = JSON.parse(sessionStorage.getItem(STORED) ?? "[]");
    return Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}
