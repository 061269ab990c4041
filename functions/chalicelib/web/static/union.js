/** A form field for a value that may be of several kinds: choose the kind, then fill it in. */

import { h, uniqueId } from "./dom.js";
import { makeFrame } from "./frame.js";
import { fits, kindName, shapeOf } from "./schema.js";

/** Deeper than this, groups wait until somebody chooses them: a model that contains itself must end. */
const EAGER = 2;

/**
 * @typedef {import("./fields.js").Field} Field
 * @typedef {import("./fields.js").Place} Place
 * @typedef {import("./schema.js").Schema} Schema
 */

/**
 * @param {import("./groups.js").FieldMaker} maker
 * @param {Schema} schema
 * @param {Place} place
 * @param {number} depth
 * @returns {Field}
 */
export function unionField(maker, schema, place, depth) {
  /** @type {Schema[]} */
  const variants = schema.anyOf ?? schema.oneOf;
  const id = uniqueId("kind");
  const names = variants.map((variant) => kindName(shapeOf(variant, maker.root)));
  const select = h(
    "select",
    { id, class: "kind" },
    h("option", { value: "" }, "choose…"),
    ...names.map((name, index) =>
      h("option", { value: index }, names.indexOf(name) === index ? name : `${name} (${index + 1})`),
    ),
  );
  const frame = makeFrame(schema, place, [
    h(
      "div",
      { class: "field" },
      h("label", { class: "field-label", for: id }, `Kind of ${place.label}`),
      select,
    ),
  ]);
  /** @type {Map<string, Field>} by the select's value: looking at another kind loses nothing */
  const made = new Map();
  const inner = () => made.get(select.value);

  /** @param {any} [initial] */
  function show(initial) {
    const variant = variants[Number(select.value)];
    if (select.value !== "" && !made.has(select.value)) {
      const named = { ...variant, title: place.label };
      const field = maker.make(named, { name: place.label, required: true, initial, depth });
      made.set(select.value, field);
      frame.element.append(field.element);
    }
    for (const [value, field] of made) field.element.hidden = value !== select.value;
  }

  const given = place.initial !== undefined && place.initial !== null;
  let start = given ? variants.findIndex((variant) => fits(place.initial, variant, maker.root)) : 0;
  if (!given && depth > EAGER) start = -1;
  select.value = start < 0 ? "" : String(start);
  select.addEventListener("change", () => show());
  show(given ? place.initial : undefined);
  return {
    ...frame,
    focus: () => select.focus(),
    read(pointer, reading) {
      const field = inner();
      if (field) return field.read(pointer, reading);
      reading.fields.set(pointer, this);
      reading.errors.push({ pointer, detail: "Choose what kind of value it is." });
      return undefined;
    },
  };
}
