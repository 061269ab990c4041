/** The tasks, fetched once, and their titles. */

import { getTasks } from "./api.js";
import { titleOf } from "./job.js";
import { Poller } from "./poller.js";

/** @typedef {import("./task-picker.js").Task} Task */

export class Catalogue {
  /** @type {Map<string, Task>} */
  tasks = new Map();
  #known = false;
  /** @type {(() => void)[]} */
  #listeners = [];

  constructor() {
    new Poller(() => this.#ask(), { first: 1000, slowest: 5000, hidden: 30_000 }).start();
  }

  /**
   * Call the listener once the tasks are known; at once if they are.
   * @param {() => void} listener
   */
  whenKnown(listener) {
    if (this.#known) listener();
    else this.#listeners.push(listener);
  }

  /**
   * @param {string} name of a task
   * @returns {string}
   */
  titleOf(name) {
    return this.tasks.get(name)?.title || titleOf(name);
  }

  async #ask() {
    const { data } = await getTasks();
    this.tasks = new Map(data.tasks.map((/** @type {Task} */ task) => [task.name, task]));
    this.#known = true;
    for (const listener of this.#listeners.splice(0)) listener();
    return { done: true };
  }
}
