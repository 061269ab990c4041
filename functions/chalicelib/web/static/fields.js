/** Form fields for single values: each reads one JSON value and shows one error. */

import { h, setText, uniqueId } from "./dom.js";
import { fileControl } from "./file-field.js";
import { numberOf, parse } from "./numbers.js";
import { helpOf } from "./schema.js";

/** Stands for "leave this property out". */
export const OMIT = Symbol("omit");

/**
 * @typedef {object} Reading what is gathered while a form is read
 * @property {Map<string, Field>} fields by JSON Pointer
 * @property {{pointer: string, detail: string}[]} errors what can't be made JSON of
 * @property {Promise<void>[]} waits for what is still on its way
 *
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {string} label
 * @property {(pointer: string, reading: Reading) => any} read its JSON value, or OMIT
 * @property {(text: string) => void} showError an empty text clears it
 * @property {() => void} focus
 *
 * @typedef {object} Place where a value stands
 * @property {string} label
 * @property {boolean} required
 * @property {boolean} nullable
 * @property {boolean} optional whether it may be left empty
 * @property {any} initial undefined: none
 *
 * @typedef {object} Control the widget inside a field
 * @property {HTMLElement} element
 * @property {HTMLElement} focusable the element that takes focus, description and error
 * @property {() => any} value a JSON value, undefined when empty; throws InputError
 * @property {() => string} [problem] why there is no value, if somebody has tried to give one
 * @property {() => Promise<void>|undefined} [wait] for a value that is still on its way
 * @property {boolean} [ownLabel] the label stands inside of `element`
 * @property {boolean} [group] `element` is a group of several inputs
 */

/** What was typed can't be made JSON of. */
class InputError extends Error {}

/** Above it, select; up to it, radio buttons. */
const MOST_RADIOS = 4;
/** From this maximal length on a text gets several lines. */
const LONG_TEXT = 200;

const INPUT_TYPES = new Map([
  ["date", "date"],
  ["time", "time"],
  ["date-time", "datetime-local"],
  ["email", "email"],
  ["uri", "url"],
  ["password", "password"],
]);

const FORMAT_HELP = new Map([
  ["date-time", "in your time zone"],
  ["duration", "ISO 8601, such as PT1H30M"],
  ["uuid", "a UUID"],
]);

/** @type {Record<string, (schema: import("./schema.js").Schema, place: Place, id: string) => Control>} */
const CONTROLS = { const: constant, enum: choice, file: fileControl, boolean, number, integer: number, string: text, json };

/**
 * @param {import("./schema.js").Shape} shape neither an object nor an array
 * @param {Place} place
 * @returns {Field}
 */
export function makeField({ kind, schema }, place) {
  const id = uniqueId("field");
  const control = CONTROLS[kind](schema, place, id);
  const help = [helpOf(schema), FORMAT_HELP.get(schema.format)].filter(Boolean).join(" · ");
  const error = h("p", { class: "field-error", id: `${id}-error` });
  const target = control.focusable;
  const given = place.initial !== undefined && place.initial !== null;
  const untouched = snapshot(control);
  if (help) target.setAttribute("aria-describedby", `${id}-help`);
  const labelled = control.ownLabel
    ? null
    : h(
        control.group ? "legend" : "label",
        { for: control.group ? null : target.id, class: "field-label" },
        place.label,
        mark(place),
      );
  const element = h(
    control.group ? "fieldset" : "div",
    { class: "field" },
    labelled,
    control.element,
    help && h("p", { class: "field-help", id: `${id}-help` }, help),
    error,
  );
  return {
    element,
    label: place.label,
    focus: () => target.focus(),
    showError(text) {
      setText(error, text);
      target.setAttribute(
        "aria-describedby",
        [help && `${id}-help`, text && error.id].filter(Boolean).join(" "),
      );
      if (text) target.setAttribute("aria-invalid", "true");
      else target.removeAttribute("aria-invalid");
    },
    read(pointer, reading) {
      reading.fields.set(pointer, this);
      const wait = control.wait?.();
      if (wait) reading.waits.push(wait);
      try {
        if (given && snapshot(control) === untouched) return place.initial;
        const value = control.value();
        if (value !== undefined) return value;
        if (control.problem?.()) throw new InputError(control.problem());
        if (!place.optional) throw new InputError("This needs a value.");
      } catch (problem) {
        if (!(problem instanceof InputError)) throw problem;
        reading.errors.push({ pointer, detail: problem.message });
        return OMIT;
      }
      return emptyValue(place, schema);
    },
  };
}

/**
 * What a widget holds, to see whether somebody has changed it: what nobody touched is sent as it came,
 * though a widget may show less of it (a time's microseconds, a text's line ends).
 * @param {Control} control
 */
function snapshot(control) {
  try {
    return JSON.stringify(control.value());
  } catch (problem) {
    if (!(problem instanceof InputError)) throw problem;
    return problem.message;
  }
}

/**
 * What an empty field means: null where that differs from leaving the property out.
 * @param {Place} place
 * @param {import("./schema.js").Schema} schema
 */
export function emptyValue(place, schema) {
  const needed = place.required || (schema.default !== undefined && schema.default !== null);
  return place.nullable && needed ? null : OMIT;
}

/**
 * A word beside the label of what may be left empty.
 * @param {Place} place
 */
export function mark(place) {
  return place.optional && h("span", { class: "field-mark" }, " optional");
}

/** @type {typeof CONTROLS[string]} */
function constant(schema, place, id) {
  if (place.optional) return select([schema.const], place.initial === undefined ? -1 : 0, place, id);
  const element = h("output", { id, class: "field-const" }, JSON.stringify(schema.const));
  return { element, focusable: element, value: () => schema.const };
}

/** @type {typeof CONTROLS[string]} */
function choice(schema, place, id) {
  const values = schema.enum;
  const chosen = values.findIndex((/** @type {any} */ value) => same(value, place.initial));
  if (values.length > MOST_RADIOS || place.optional) return select(values, chosen, place, id);
  const inputs = values.map((/** @type {any} */ _, /** @type {number} */ index) =>
    h("input", { type: "radio", name: id, id: `${id}-${index}`, checked: index === chosen }),
  );
  const element = h(
    "div",
    { class: "radios" },
    ...inputs.map((/** @type {any} */ input, /** @type {number} */ index) =>
      h("label", { class: "radio" }, input, h("span", {}, shown(values[index]))),
    ),
  );
  return {
    element,
    focusable: inputs[Math.max(0, chosen)],
    group: true,
    value: () => values[inputs.findIndex((/** @type {HTMLInputElement} */ input) => input.checked)],
  };
}

/**
 * @param {any[]} values
 * @param {number} chosen index, or -1
 * @param {Place} place
 * @param {string} id
 * @returns {Control}
 */
function select(values, chosen, place, id) {
  const empty =
    place.optional || chosen < 0 ? h("option", { value: "" }, place.optional ? "none" : "choose…") : null;
  const options = values.map((value, index) =>
    h("option", { value: index, selected: index === chosen }, shown(value)),
  );
  const element = h("select", { id }, empty, ...options);
  return {
    element,
    focusable: element,
    value: () => (element.value === "" ? undefined : values[Number(element.value)]),
  };
}

/** @type {typeof CONTROLS[string]} */
function boolean(_schema, place, id) {
  if (place.optional) return select([true, false], [true, false].indexOf(place.initial), place, id);
  const input = h("input", { type: "checkbox", id, checked: place.initial === true });
  const element = h("label", { class: "check" }, input, h("span", {}, place.label));
  return { element, focusable: input, ownLabel: true, value: () => input.checked };
}

/** @type {typeof CONTROLS[string]} */
function number(schema, place, id) {
  const whole = schema.type === "integer";
  const element = h("input", {
    id,
    type: "number",
    inputmode: whole ? "numeric" : "decimal",
    step: whole ? (schema.multipleOf ?? 1) : "any",
    min: schema.minimum,
    max: schema.maximum,
    value: place.initial,
    autocomplete: "off",
  });
  return {
    element,
    focusable: element,
    value() {
      if (element.validity.badInput) throw new InputError("This is not a number.");
      if (element.value === "") return undefined;
      const typed = numberOf(element.value);
      if (typed === undefined)
        throw new InputError("This number is too large for this browser to keep exactly; use the HTTP API.");
      return typed;
    },
  };
}

/** @type {typeof CONTROLS[string]} */
function text(schema, place, id) {
  const initial = place.initial ?? "";
  const type = INPUT_TYPES.get(schema.format) ?? "text";
  if (type === "datetime-local" || type === "time" || type === "date") return moment(type, place, id);
  const long = schema.maxLength >= LONG_TEXT || String(initial).includes("\n");
  const element = long
    ? h("textarea", { id, rows: 4 }, initial)
    : h("input", { id, type, value: initial, autocomplete: "off", spellcheck: "false" });
  return {
    element,
    focusable: element,
    value() {
      if (element.value !== "") return element.value;
      return place.optional || schema.minLength ? undefined : "";
    },
  };
}

/**
 * A date, a time, or both. Both are shown in the reader's time zone and sent in UTC.
 * @param {string} type of the input element
 * @param {Place} place
 * @param {string} id
 * @returns {Control}
 */
function moment(type, place, id) {
  const both = type === "datetime-local";
  const value = both && place.initial ? localMoment(place.initial) : place.initial;
  const element = h("input", { id, type, value, step: type === "date" ? null : 1 });
  return {
    element,
    focusable: element,
    value() {
      if (element.validity.badInput) throw new InputError("This is not complete.");
      if (element.value === "") return undefined;
      return both ? new Date(element.value).toISOString() : element.value;
    },
  };
}

/**
 * A time as `datetime-local` wants it: local, without a zone.
 * @param {string} time RFC 3339
 */
function localMoment(time) {
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** @type {typeof CONTROLS[string]} */
function json(_schema, place, id) {
  const initial =
    place.initial === undefined || place.initial === null ? "" : JSON.stringify(place.initial, null, 2);
  const element = h(
    "textarea",
    { id, rows: 3, class: "code", spellcheck: "false", placeholder: "JSON" },
    initial,
  );
  return {
    element,
    focusable: element,
    value() {
      if (element.value.trim() === "") return undefined;
      try {
        return parse(element.value);
      } catch (problem) {
        throw new InputError(`This is not JSON: ${/** @type {Error} */ (problem).message}`);
      }
    },
  };
}

/** @param {any} value */
const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

/**
 * @param {any} one
 * @param {any} other
 */
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
