/** Form fields made of other fields: objects, arrays, and what may be left out as a whole. */

import { h, setText, uniqueId } from "./dom.js";
import { emptyValue, makeField, mark, OMIT } from "./fields.js";
import { helpOf, labelOf, pointTo, shapeOf } from "./schema.js";

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
  #root;

  /** @param {Schema} root the document that references point into */
  constructor(root) {
    this.#root = root;
  }

  /**
   * The field of one property or entry.
   * @param {Schema} schema
   * @param {{name: string, required: boolean, initial?: any, depth: number}} spot
   * @returns {Field}
   */
  make(schema, { name, required, initial, depth }) {
    const shape = shapeOf(schema, this.#root);
    const start = initial === undefined ? shape.schema.default : initial;
    const place = { label: labelOf(schema, name), required, nullable: shape.nullable, initial: start };
    const group = shape.kind === "object" || shape.kind === "array";
    if (!group) return makeField(shape, place);
    if (depth >= DEEPEST) return makeField({ ...shape, kind: "json" }, place);
    const build = () =>
      shape.kind === "object"
        ? this.#object(shape.schema, place, depth)
        : this.#array(shape.schema, place, depth);
    const absent = place.nullable || (!required && shape.schema.default === undefined);
    return absent ? this.#optional(shape.schema, place, build) : build();
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
    const fields = this.properties(schema, place.initial, depth + 1);
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
   * @param {Schema} schema
   * @param {Place} place
   * @param {number} depth
   * @returns {Field}
   */
  #array(schema, place, depth) {
    /** @type {{field: Field, element: HTMLElement}[]} */
    let rows = [];
    const list = h("ol", { class: "rows" });
    const add = h("button", { type: "button", class: "quiet" }, "Add entry");
    const entryName = shapeOf(schema.items, this.#root).schema.title ?? "Entry";

    const append = (/** @type {any} */ initial) => {
      const field = this.make(
        { ...schema.items, title: entryName },
        { name: entryName, required: true, initial, depth: depth + 1 },
      );
      const remove = h(
        "button",
        { type: "button", class: "quiet remove", "aria-label": `Remove ${entryName} from ${place.label}` },
        "Remove",
      );
      const element = h("li", { class: "row" }, field.element, remove);
      const row = { field, element };
      remove.addEventListener("click", () => {
        const index = rows.indexOf(row);
        rows = rows.filter((other) => other !== row);
        element.remove();
        (rows[Math.min(index, rows.length - 1)]?.field ?? { focus: () => add.focus() }).focus();
      });
      rows.push(row);
      list.append(element);
      return field;
    };
    add.addEventListener("click", () => append(undefined).focus());
    const first = Array.isArray(place.initial) ? place.initial : Array(schema.minItems ?? 0).fill(undefined);
    first.forEach(append);

    return {
      ...makeFrame(schema, place, [list, add]),
      focus: () => add.focus(),
      read(pointer, reading) {
        reading.fields.set(pointer, this);
        return rows
          .map((row, index) => row.field.read(pointTo(pointer, index), reading))
          .filter((value) => value !== OMIT);
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
 * @param {Schema} schema
 * @param {Place} place
 * @param {HTMLElement[]} content
 */
function makeFrame(schema, place, content) {
  const id = uniqueId("group");
  const help = helpOf(schema);
  const error = h("p", { class: "field-error", id: `${id}-error` });
  const element = h(
    "fieldset",
    { class: "group", tabindex: "-1", "aria-describedby": help ? `${id}-help` : null },
    h("legend", {}, place.label),
    help && h("p", { class: "field-help", id: `${id}-help` }, help),
    error,
    ...content,
  );
  return {
    element,
    label: place.label,
    focus: () => element.focus(),
    showError(/** @type {string} */ text) {
      setText(error, text);
      element.setAttribute(
        "aria-describedby",
        [help && `${id}-help`, text && error.id].filter(Boolean).join(" "),
      );
    },
  };
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
