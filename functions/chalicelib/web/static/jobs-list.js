/** The newest jobs, whoever submitted them, in short. */

import { getJobs } from "./api.js";
import { h } from "./dom.js";
import { JobRows } from "./job-rows.js";
import { Poller } from "./poller.js";

const LENGTH = 8;

export class JobsList {
  #rows;
  #nothing = h("p", { class: "no-jobs" }, "No job yet.");
  #more = h("p", { class: "all-jobs", hidden: true }, h("a", { href: "#/jobs" }, "See all jobs"));
  #poller = new Poller(() => this.#ask(), { first: 2000, slowest: 6000, hidden: 60_000 });

  /**
   * @param {HTMLElement} parent
   * @param {(name: string) => string} titleOf
   */
  constructor(parent, titleOf) {
    this.#rows = new JobRows(titleOf);
    parent.append(this.#nothing, this.#rows.element, this.#more);
  }

  start() {
    this.#poller.start();
  }

  stop() {
    this.#poller.stop();
  }

  /** Ask as soon as allowed. */
  poke() {
    this.#poller.poke();
  }

  /** The tasks got their titles. */
  rename() {
    this.#rows.rename();
  }

  async #ask() {
    const { data, retryAfter } = await getJobs({ limit: LENGTH });
    this.#nothing.hidden = data.jobs.length > 0;
    this.#more.hidden = data.jobs.length === 0;
    return { changed: this.#rows.show(data.jobs), retryAfter };
  }
}
