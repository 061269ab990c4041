/** Form fields that grow: lists, and objects whose keys are not known before. */

import { h, setText, uniqueId } from "./dom.js";
import { OMIT } from "./fields.js";
import { makeFrame } from "./frame.js";
import { pointTo, shapeOf } from "./schema.js";

/**
 * @typedef {import("./fields.js").Field} Field
 * @typedef {import("./fields.js").Place} Place
 * @typedef {import("./groups.js").FieldMaker} FieldMaker
 * @typedef {import("./schema.js").Schema} Schema
 */

/**
 * @param {FieldMaker} maker
 * @param {Schema} schema
 * @param {Place} place
 * @param {number} depth
 * @returns {Field}
 */
export function listField(maker, schema, place, depth) {
  const name = shapeOf(schema.items, maker.root).schema.title ?? "Entry";
  const rows = new Rows(name, place.label, (initial) =>
    maker.make({ ...schema.items, title: name }, { name, required: true, initial, depth }),
  );
  const first = Array.isArray(place.initial) ? place.initial : Array(schema.minItems ?? 0).fill(undefined);
  for (const initial of first) rows.append(initial);
  return {
    ...makeFrame(schema, place, [rows.list, rows.add]),
    focus: () => rows.add.focus(),
    read(pointer, reading) {
      reading.fields.set(pointer, this);
      return rows.fields
        .map((field, index) => field.read(pointTo(pointer, index), reading))
        .filter((value) => value !== OMIT);
    },
  };
}

/**
 * @param {FieldMaker} maker
 * @param {Schema} schema
 * @param {Place} place
 * @param {number} depth
 * @returns {Field}
 */
export function mapField(maker, schema, place, depth) {
  /** @type {Rows<Entry>} */
  const rows = new Rows("Entry", place.label, (initial) => new Entry(maker, schema, initial, depth));
  for (const entry of Object.entries(place.initial ?? {})) rows.append(entry);
  return {
    ...makeFrame(schema, place, [rows.list, rows.add]),
    focus: () => rows.add.focus(),
    read(pointer, reading) {
      reading.fields.set(pointer, this);
      const found = new Map();
      for (const entry of rows.fields) {
        const key = entry.key;
        entry.showKeyError(found.has(key) ? "Another entry has this name." : "");
        if (found.has(key)) reading.errors.push({ pointer, detail: `Two entries are named "${key}".` });
        found.set(key, entry.read(pointTo(pointer, key), reading));
      }
      return Object.fromEntries([...found].filter(([, value]) => value !== OMIT));
    },
  };
}

/** A key and its value. */
class Entry {
  element;
  #key;
  #error;
  #value;

  /**
   * @param {FieldMaker} maker
   * @param {Schema} schema
   * @param {[string, any]|undefined} initial
   * @param {number} depth
   */
  constructor(maker, schema, initial, depth) {
    const id = uniqueId("key");
    const value = initial?.[1];
    this.#value = maker.make(schema.additionalProperties, {
      name: "Value",
      required: true,
      initial: value,
      depth,
    });
    this.#key = h("input", {
      id,
      value: initial?.[0],
      autocomplete: "off",
      spellcheck: "false",
      "aria-describedby": `${id}-error`,
    });
    this.#error = h("p", { class: "field-error", id: `${id}-error` });
    this.element = h(
      "div",
      { class: "entry" },
      h(
        "div",
        { class: "field" },
        h("label", { class: "field-label", for: id }, "Name"),
        this.#key,
        this.#error,
      ),
      this.#value.element,
    );
  }

  /** @returns {string} */
  get key() {
    return this.#key.value;
  }

  focus() {
    this.#key.focus();
  }

  /** @param {string} text */
  showKeyError(text) {
    setText(this.#error, text);
  }

  /**
   * @param {string} pointer
   * @param {import("./fields.js").Reading} reading
   */
  read(pointer, reading) {
    return this.#value.read(pointer, reading);
  }
}

/**
 * Rows that can be added and removed.
 * @template {{element: HTMLElement, focus: () => void}} F
 */
class Rows {
  list = h("ol", { class: "rows" });
  add = h("button", { type: "button", class: "quiet" }, "Add entry");
  /** @type {F[]} */
  fields = [];
  #name;
  #owner;
  #make;

  /**
   * @param {string} name of an entry
   * @param {string} owner label of the whole
   * @param {(initial: any) => F} make
   */
  constructor(name, owner, make) {
    this.#name = name;
    this.#owner = owner;
    this.#make = make;
    this.add.addEventListener("click", () => this.append(undefined).focus());
  }

  /** @param {any} initial */
  append(initial) {
    const field = this.#make(initial);
    const remove = h(
      "button",
      { type: "button", class: "quiet remove", "aria-label": `Remove ${this.#name} from ${this.#owner}` },
      "Remove",
    );
    const element = h("li", { class: "row" }, field.element, remove);
    remove.addEventListener("click", () => {
      const index = this.fields.indexOf(field);
      this.fields = this.fields.filter((other) => other !== field);
      element.remove();
      (this.fields[Math.min(index, this.fields.length - 1)] ?? this.add).focus();
    });
    this.fields.push(field);
    this.list.append(element);
    return field;
  }
}
