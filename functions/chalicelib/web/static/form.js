/** A form made from a JSON Schema: from values to fields, and back to JSON. */

import { h } from "./dom.js";
import { FieldMaker, readProperties } from "./groups.js";
import { resolve } from "./schema.js";

/**
 * @typedef {import("./fields.js").Field} Field
 * @typedef {import("./fields.js").Reading} Reading
 * @typedef {{field: Field|null, text: string}} Finding an error, and the field that shows it
 */

export class SchemaForm {
  element;
  /** @type {Map<string, Field>} */
  #fields;
  /** @type {Reading} of the last time that the form was read */
  #reading = { fields: new Map(), errors: [], waits: [] };

  /**
   * @param {import("./schema.js").Schema} schema of an object
   * @param {Record<string, any>} [initial] values to start with instead of the defaults
   */
  constructor(schema, initial) {
    this.#fields = new FieldMaker(schema).properties(resolve(schema, schema), initial, 0);
    const elements = [...this.#fields.values()].map((field) => field.element);
    this.element = h(
      "div",
      { class: "fields" },
      ...(elements.length ? elements : [h("p", { class: "no-fields" }, "Takes no arguments.")]),
    );
  }

  /** The form's JSON, and what can't be made JSON of. Clears the errors shown. */
  read() {
    for (const field of this.#reading.fields.values()) field.showError("");
    this.#reading = { fields: new Map(), errors: [], waits: [] };
    const value = readProperties(this.#fields, "", this.#reading);
    return { value, errors: this.#reading.errors };
  }

  /** Wait until all files have been sent that were on their way when the form was read, if any were. */
  async settled() {
    this.read();
    await Promise.all(this.#reading.waits);
  }

  /**
   * Show each error at its field, or at the nearest field around it.
   * @param {import("./api.js").FieldError[]} errors
   * @returns {Finding[]} in the order of the form
   */
  showErrors(errors) {
    /** @type {Map<Field|null, string[]>} */
    const texts = new Map();
    for (const { pointer, detail } of errors) {
      const field = this.#nearest(pointer);
      texts.set(field, [...(texts.get(field) ?? []), detail]);
    }
    const order = [...this.#reading.fields.values(), null];
    const found = [...texts].map(([field, details]) => ({ field, text: details.join("; ") }));
    for (const { field, text } of found) field?.showError(text);
    return found.sort((one, other) => order.indexOf(one.field) - order.indexOf(other.field));
  }

  /**
   * @param {string} pointer
   * @returns {Field|null}
   */
  #nearest(pointer) {
    for (let at = pointer; at; at = at.slice(0, at.lastIndexOf("/"))) {
      const field = this.#reading.fields.get(at);
      if (field) return field;
      if (!at.startsWith("/")) break;
    }
    return null;
  }
}
