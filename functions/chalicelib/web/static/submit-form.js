/** The counter: choose a task, fill in its arguments, run it. */

import { ApiError, submitTask } from "./api.js";
import { announce, h } from "./dom.js";
import { SchemaForm } from "./form.js";
import { ticketNumber } from "./job.js";
import { TaskPicker } from "./task-picker.js";

/** @typedef {import("./task-picker.js").Task} Task */

export class SubmitForm {
  #catalogue;
  /** @type {Map<string, SchemaForm>} the forms filled in so far: looking at another task loses nothing */
  #forms = new Map();
  /** @type {Task|null} */
  #chosen = null;
  /** @type {TaskPicker|null} */
  #picker = null;
  #awaited = 0;
  #onSubmitted;
  #place = h("div", { class: "arguments" });
  #problems = h("div", { class: "problems", role: "alert" });
  #run = h("button", { type: "submit", class: "run" }, "Run");
  #looking = h("p", { class: "soft" }, "This token may look at tasks and jobs, not hand in any.");
  #element = h(
    "form",
    { class: "submit-form", novalidate: true, "aria-busy": "true" },
    h("p", { class: "loading" }, "Fetching the tasks…"),
  );

  /**
   * @param {HTMLElement} parent
   * @param {import("./catalogue.js").Catalogue} catalogue
   * @param {(job: import("./job.js").Job, retryAfter: number) => void} onSubmitted
   */
  constructor(parent, catalogue, onSubmitted) {
    this.#catalogue = catalogue;
    this.#onSubmitted = onSubmitted;
    this.#element.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#submit();
    });
    parent.append(this.#element);
    catalogue.whenKnown(() => this.#show([...catalogue.tasks.values()]));
  }

  /**
   * @param {string|null} name of the task to show; unknown: nothing happens
   */
  choose(name) {
    this.#catalogue.whenKnown(() => {
      const task = this.#catalogue.tasks.get(name ?? "");
      if (!task) return;
      this.#picker?.check(task.name);
      this.#choose(task);
    });
  }

  /**
   * Put a job's task and arguments into the form, to be changed and run.
   * @param {string} name of a task
   * @param {Record<string, any>} args
   */
  fill(name, args) {
    const task = this.#catalogue.tasks.get(name);
    if (!task) return;
    this.#forms.set(name, new SchemaForm(task.schema, args));
    this.#picker?.check(name);
    this.#choose(task);
    this.#run.focus({ preventScroll: true });
    this.#element.scrollIntoView({ block: "nearest" });
  }

  /** @param {Task[]} tasks */
  #show(tasks) {
    this.#element.removeAttribute("aria-busy");
    if (!tasks.length) {
      this.#element.replaceChildren(
        h("p", { class: "loading" }, "There is no task yet. Write a function in worker_image/tasks/."),
      );
      return;
    }
    this.#picker = new TaskPicker(tasks, (task) => this.#choose(task));
    this.#element.replaceChildren(
      this.#picker.element,
      this.#place,
      h("div", { class: "submit" }, this.#problems, this.#run, this.#looking),
    );
    this.#picker.check(tasks[0].name);
    this.#choose(tasks[0]);
  }

  /** @param {Task} task */
  #choose(task) {
    this.#chosen = task;
    let form = this.#forms.get(task.name);
    if (!form) this.#forms.set(task.name, (form = new SchemaForm(task.schema)));
    this.#problems.replaceChildren();
    this.#run.hidden = task.links.submit === null;
    this.#looking.hidden = !this.#run.hidden;
    this.#place.replaceChildren(h("p", { class: "task-description" }, task.description), form.element);
  }

  async #submit() {
    const task = this.#chosen;
    const form = task && this.#forms.get(task.name);
    if (!form || this.#run.hidden) return;
    this.#problems.replaceChildren();
    this.#wait(1);
    await form.settled();
    this.#wait(-1);
    const { value, errors } = form.read();
    if (errors.length) return this.#complain(task, needsAnother(errors.length), errors);
    this.#wait(1);
    try {
      const { data, retryAfter } = await submitTask(task.name, value);
      announce(`${task.title} submitted, ticket ${ticketNumber(data.id)}`);
      this.#onSubmitted(data, retryAfter);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { title, detail, errors: fieldErrors = [] } = error.problem;
      const text = fieldErrors.length ? needsAnother(fieldErrors.length) : sentence(title, detail);
      this.#complain(task, text || error.message, fieldErrors);
    } finally {
      this.#wait(-1);
    }
  }

  /**
   * Show that answers are awaited; the button stays usable, since each press is a job of its own.
   * @param {1|-1} change
   */
  #wait(change) {
    this.#awaited += change;
    this.#run.toggleAttribute("data-busy", this.#awaited > 0);
  }

  /**
   * Errors at their fields, a summary with links to them, and the focus at the first.
   * Who looks at another task meanwhile is told, but not pulled back.
   * @param {Task} task
   * @param {string} text
   * @param {import("./api.js").FieldError[]} errors
   */
  #complain(task, text, errors) {
    const findings = this.#forms.get(task.name)?.showErrors(errors) ?? [];
    if (this.#chosen !== task) {
      this.#problems.replaceChildren(h("p", {}, `${task.title} was not submitted. ${text}`));
      return;
    }
    const items = findings.map(({ field, text }) =>
      field
        ? h(
            "li",
            {},
            h("button", { type: "button", class: "link", onclick: () => field.focus() }, field.label),
            `: ${text}`,
          )
        : h("li", {}, text),
    );
    this.#problems.replaceChildren(h("p", {}, text), items.length ? h("ul", {}, ...items) : "");
    findings.find(({ field }) => field)?.field?.focus();
  }
}

/** @param {number} fields */
const needsAnother = (fields) =>
  fields === 1 ? "One field needs another value:" : `${fields} fields need another value:`;

/**
 * A problem's title and detail, without saying the same twice.
 * @param {string} [title]
 * @param {string} [detail]
 */
const sentence = (title, detail) => [...new Set([title, detail])].filter(Boolean).join(": ");
