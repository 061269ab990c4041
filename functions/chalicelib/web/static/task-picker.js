/** The list of tasks, of which one is chosen. */

import { h, uniqueId } from "./dom.js";

/** From this number of tasks on there is a field to narrow the list. */
const MANY = 9;

/**
 * @typedef {object} Task
 * @property {string} name
 * @property {string} title
 * @property {string} description
 * @property {import("./schema.js").Schema} schema
 * @property {{submit: string|null}} links null: the caller's scopes don't allow it
 */

export class TaskPicker {
  element;
  /** @type {Map<string, {input: HTMLInputElement, label: HTMLElement, text: string}>} */
  #choices = new Map();

  /**
   * @param {Task[]} tasks
   * @param {(task: Task) => void} onChoose
   */
  constructor(tasks, onChoose) {
    const group = uniqueId("task");
    for (const task of tasks) {
      const input = h("input", {
        type: "radio",
        name: group,
        value: task.name,
        onchange: () => onChoose(task),
      });
      const label = h(
        "label",
        { class: "task" },
        input,
        h("span", { class: "task-title" }, task.title),
        h("span", { class: "task-name" }, task.name),
      );
      this.#choices.set(task.name, { input, label, text: `${task.title} ${task.name}`.toLowerCase() });
    }
    const labels = [...this.#choices.values()].map((choice) => choice.label);
    this.element = h(
      "fieldset",
      { class: "tasks" },
      h("legend", {}, "Task"),
      tasks.length >= MANY && this.#filter(),
      h("div", { class: "task-list" }, ...labels),
    );
  }

  /** @param {string} name */
  check(name) {
    const choice = this.#choices.get(name);
    if (choice) choice.input.checked = true;
  }

  #filter() {
    const field = h("input", {
      type: "search",
      class: "task-filter",
      "aria-label": "Narrow the list of tasks",
      placeholder: "Filter tasks",
      autocomplete: "off",
    });
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const { label, text, input } of this.#choices.values())
        label.hidden = !input.checked && !words.every((/** @type {string} */ word) => text.includes(word));
    });
    field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter") event.preventDefault(); // filtering is not submitting
    });
    return field;
  }
}
