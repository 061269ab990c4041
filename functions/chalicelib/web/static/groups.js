/** Form fields made of other fields, whatever these are. */

import { h } from "./dom.js";
import { emptyValue, makeField, mark, OMIT } from "./fields.js";
import { makeFrame } from "./frame.js";
import { listField, mapField } from "./rows.js";
import { labelOf, pointTo, shapeOf } from "./schema.js";
import { unionField } from "./union.js";

/** Deeper than this, a value is written as JSON: nobody enjoys fieldsets in fieldsets in fieldsets. */
const DEEPEST = 5;

/**
 * @typedef {import("./fields.js").Field} Field
 * @typedef {import("./fields.js").Place} Place
 * @typedef {import("./fields.js").Reading} Reading
 * @typedef {import("./schema.js").Schema} Schema
 */

/** Builds the fields of one document. */
export class FieldMaker {
  /** The document that references point into. */
  root;

  /** @param {Schema} root the document that references point into */
  constructor(root) {
    this.root = root;
  }

  /** @type {Record<string, (schema: Schema, place: Place, depth: number) => Field>} */
  #groups = {
    object: (schema, place, depth) => this.#object(schema, place, depth),
    tuple: (schema, place, depth) => this.#tuple(schema, place, depth),
    array: (schema, place, depth) => listField(this, schema, place, depth),
    map: (schema, place, depth) => mapField(this, schema, place, depth),
    union: (schema, place, depth) => unionField(this, schema, place, depth),
  };

  /**
   * The field of one property or entry.
   * @param {Schema} schema
   * @param {{name: string, required: boolean, initial?: any, depth: number}} spot
   * @returns {Field}
   */
  make(schema, { name, required, initial, depth }) {
    const shape = shapeOf(schema, this.root);
    const start = initial === undefined ? shape.schema.default : initial;
    const optional = shape.nullable || (!required && shape.schema.default === undefined);
    const label = labelOf(schema, name);
    const place = { label, required, nullable: shape.nullable, optional, initial: start };
    const make = this.#groups[shape.kind];
    if (!make) return makeField(shape, place);
    if (depth >= DEEPEST) return makeField({ ...shape, kind: "json" }, place);
    const build = () => make(shape.schema, place, depth + 1);
    return optional ? this.#optional(shape.schema, place, build) : build();
  }

  /**
   * The fields of an object, without a frame around them.
   * @param {Schema} schema
   * @param {any} initial
   * @param {number} depth
   */
  properties(schema, initial, depth) {
    const required = new Set(schema.required ?? []);
    return new Map(
      Object.entries(schema.properties ?? {}).map(([name, property]) => [
        name,
        this.make(property, { name, required: required.has(name), initial: initial?.[name], depth }),
      ]),
    );
  }

  /**
   * @param {Schema} schema
   * @param {Place} place
   * @param {number} depth
   * @returns {Field}
   */
  #object(schema, place, depth) {
    const fields = this.properties(schema, place.initial, depth);
    const frame = makeFrame(
      schema,
      place,
      [...fields.values()].map((field) => field.element),
    );
    return {
      ...frame,
      focus: () => ([...fields.values()][0] ?? frame).focus(),
      read(pointer, reading) {
        reading.fields.set(pointer, this);
        return readProperties(fields, pointer, reading);
      },
    };
  }

  /**
   * An array in which each place has a schema of its own.
   * @param {Schema} schema
   * @param {Place} place
   * @param {number} depth
   * @returns {Field}
   */
  #tuple(schema, place, depth) {
    const fields = schema.prefixItems.map((/** @type {Schema} */ entry, /** @type {number} */ index) =>
      this.make(entry, {
        name: `Entry ${index + 1}`,
        required: true,
        initial: place.initial?.[index],
        depth,
      }),
    );
    const frame = makeFrame(
      schema,
      place,
      fields.map((/** @type {Field} */ field) => field.element),
    );
    return {
      ...frame,
      focus: () => (fields[0] ?? frame).focus(),
      read(pointer, reading) {
        reading.fields.set(pointer, this);
        return fields.map((/** @type {Field} */ field, /** @type {number} */ index) =>
          field.read(pointTo(pointer, index), reading),
        );
      },
    };
  }

  /**
   * A group behind a checkbox. It is built when first asked for, so that a recursive model ends.
   * @param {Schema} schema
   * @param {Place} place
   * @param {() => Field} build
   * @returns {Field}
   */
  #optional(schema, place, build) {
    /** @type {Field|null} */
    let inner = null;
    const box = h("input", {
      type: "checkbox",
      checked: place.initial !== undefined && place.initial !== null,
    });
    const element = h(
      "div",
      { class: "field" },
      h("label", { class: "check" }, box, h("span", {}, place.label), mark(place)),
    );
    const toggle = () => {
      if (box.checked && !inner) element.append((inner = build()).element);
      if (inner) inner.element.hidden = !box.checked;
    };
    box.addEventListener("change", toggle);
    toggle();
    return {
      element,
      label: place.label,
      focus: () => box.focus(),
      showError: (text) => inner?.showError(text),
      read(pointer, reading) {
        reading.fields.set(pointer, this);
        return box.checked && inner ? inner.read(pointer, reading) : emptyValue(place, schema);
      },
    };
  }
}

/**
 * @param {Map<string, Field>} fields
 * @param {string} pointer
 * @param {Reading} reading
 * @returns {Record<string, any>}
 */
export function readProperties(fields, pointer, reading) {
  const entries = [...fields].map(([name, field]) => [name, field.read(pointTo(pointer, name), reading)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== OMIT));
}
