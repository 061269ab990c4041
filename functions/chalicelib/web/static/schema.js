/** Reading JSON Schema (2020-12, as pydantic writes it) for the form. */

import { bytes } from "./files.js";
import { isExact, textOf } from "./numbers.js";

/**
 * @typedef {Record<string, any>} Schema
 *
 * @typedef {object} Shape what the form has to know about one value
 * @property {"const"|"enum"|"file"|"boolean"|"number"|"integer"|"string"|"object"|"array"|"tuple"|"map"|"union"|"json"} kind
 * @property {Schema} schema with references and `null` resolved away
 * @property {boolean} nullable whether `null` is allowed too
 */

/** A union of more is written as JSON. */
const MOST_VARIANTS = 12;

const SCALARS = new Set(["boolean", "number", "integer", "string"]);

/**
 * Follow `$ref` (and an `allOf` of one); what stands beside the reference wins.
 * @param {Schema} schema
 * @param {Schema} root the document that references point into
 * @returns {Schema}
 */
export function resolve(schema, root) {
  let resolved = schema;
  for (let hops = 0; hops < 32; hops++) {
    const { $ref, allOf, ...beside } = resolved;
    if ($ref !== undefined) resolved = { ...lookUp($ref, root), ...beside };
    else if (allOf?.length === 1) resolved = { ...allOf[0], ...beside };
    else break;
  }
  return resolved;
}

/**
 * @param {string} reference such as `#/$defs/Place`
 * @param {Schema} root
 */
function lookUp(reference, root) {
  if (!reference.startsWith("#/")) return {};
  let found = root;
  for (const part of reference.slice(2).split("/"))
    found = found?.[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")];
  return found ?? {};
}

/**
 * @param {Schema} schema
 * @param {Schema} root
 * @returns {Shape}
 */
export function shapeOf(schema, root) {
  const { schema: inner, nullable } = withoutNull(resolve(schema, root), root);
  return { kind: kindOf(inner), schema: inner, nullable };
}

/**
 * Take `null` out of an `anyOf`, `oneOf`, `enum` or list of types.
 * @param {Schema} schema
 * @param {Schema} root
 * @returns {{schema: Schema, nullable: boolean}}
 */
function withoutNull(schema, root) {
  for (const word of ["anyOf", "oneOf"]) {
    const choices = schema[word];
    if (!Array.isArray(choices)) continue;
    const others = choices.filter((choice) => choice.type !== "null");
    if (others.length !== 1)
      return { schema: { ...schema, [word]: others }, nullable: others.length < choices.length };
    const { [word]: _, discriminator: __, ...beside } = schema;
    const inner = withoutNull(resolve(others[0], root), root);
    const nullable = inner.nullable || others.length < choices.length;
    return { schema: { ...inner.schema, ...beside }, nullable };
  }
  if (Array.isArray(schema.type) && schema.type.includes("null")) {
    const types = schema.type.filter((type) => type !== "null");
    return { schema: { ...schema, type: types.length === 1 ? types[0] : types }, nullable: true };
  }
  if (schema.enum?.includes(null) && schema.enum.length > 1)
    return {
      schema: { ...schema, enum: schema.enum.filter((/** @type {any} */ value) => value !== null) },
      nullable: true,
    };
  return { schema, nullable: false };
}

/**
 * @param {Schema} schema
 * @returns {Shape["kind"]}
 */
function kindOf(schema) {
  if (schema.format === "coatcheck-file") return "file";
  if (schema.const !== undefined) return "const";
  if (Array.isArray(schema.enum)) return "enum";
  if (schema.allOf || (schema.anyOf && schema.oneOf)) return "json";
  if (schema.anyOf || schema.oneOf) return isUnion(schema) ? "union" : "json";
  if (SCALARS.has(schema.type)) return schema.type;
  if (schema.type === "object") return kindOfObject(schema);
  if (schema.type === "array") return kindOfArray(schema);
  return "json";
}

/** @param {Schema} schema */
function isUnion(schema) {
  const variants = schema.anyOf ?? schema.oneOf;
  return !schema.type && !schema.properties && variants.length <= MOST_VARIANTS && variants.every(isSchema);
}

/** @param {Schema} schema */
function kindOfObject({ properties, additionalProperties, patternProperties }) {
  if (patternProperties) return "json";
  if (properties) return additionalProperties ? "json" : "object";
  return isSchema(additionalProperties) ? "map" : "json";
}

/** @param {Schema} schema */
function kindOfArray({ items, prefixItems, minItems, maxItems }) {
  if (!prefixItems) return isSchema(items) ? "array" : "json";
  const fixed = minItems === prefixItems.length && (items === false || maxItems === prefixItems.length);
  return fixed && prefixItems.every(isSchema) ? "tuple" : "json";
}

const KIND_NAMES = new Map([
  ["boolean", "yes or no"],
  ["integer", "whole number"],
  ["string", "text"],
  ["array", "list"],
  ["tuple", "list"],
  ["map", "names and values"],
  ["enum", "choice"],
  ["json", "JSON"],
]);

/**
 * What a person calls a kind of value.
 * @param {Shape} shape
 * @returns {string}
 */
export function kindName({ kind, schema }) {
  if (kind === "object" && schema.title) return schema.title;
  if (kind === "const") return String(schema.const);
  if (kind === "string" && schema.format) return schema.format;
  return KIND_NAMES.get(kind) ?? kind;
}

/**
 * Whether a value looks as a schema asks for: enough to tell the kinds of a union apart.
 * @param {any} value
 * @param {Schema} schema
 * @param {Schema} root the document that references point into
 * @returns {boolean}
 */
export function fits(value, schema, root) {
  const { kind, schema: inner, nullable } = shapeOf(schema, root);
  if (value === null) return nullable || kind === "json";
  if (kind === "file") return typeof value?.$file === "string";
  if (inner.const !== undefined) return value === inner.const;
  if (inner.enum) return inner.enum.includes(value);
  if (kind === "union")
    return (inner.anyOf ?? inner.oneOf).some((/** @type {Schema} */ one) => fits(value, one, root));
  if (kind === "array") return Array.isArray(value) && value.every((entry) => fits(entry, inner.items, root));
  if (kind === "tuple" || inner.type === "array") return Array.isArray(value);
  if (kind === "number") return typeof value === "number" || isExact(value);
  if (kind === "integer") return Number.isInteger(value) || isExact(value);
  if (SCALARS.has(kind)) return typeof value === kind;
  if (kind === "json" && !inner.type) return true;
  if (typeof value !== "object" || Array.isArray(value) || isExact(value)) return false;
  if (kind === "map") return Object.values(value).every((one) => fits(one, inner.additionalProperties, root));
  return (
    (inner.required ?? []).every((/** @type {string} */ name) => name in value) &&
    Object.entries(value).every(([name, one]) => {
      const property = inner.properties?.[name];
      return property ? fits(one, property, root) : inner.additionalProperties !== false;
    })
  );
}

/** @param {any} value */
const isSchema = (value) => value !== null && typeof value === "object" && Object.keys(value).length > 0;

/**
 * What a person calls the value.
 * @param {Schema} schema as it stands at the property, not resolved: a model's own title names the type
 * @param {string} name
 */
export function labelOf(schema, name) {
  if (schema.title) return schema.title;
  const words = name.replaceAll("_", " ").trim() || name;
  return words[0].toUpperCase() + words.slice(1);
}

/**
 * What else there is to know: description, bounds, lengths.
 * @param {Schema} schema resolved
 */
export function helpOf(schema) {
  return [schema.description, ...limits(schema)].filter(Boolean).join(" · ");
}

/** @param {Schema} schema */
function limits(schema) {
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  const more = schema.minimum === undefined ? "more than" : "at least";
  const less = schema.maximum === undefined ? "less than" : "at most";
  const inclusive = schema.minimum !== undefined && schema.maximum !== undefined;
  /** @type {string[]} */
  const found = [];
  if (inclusive) found.push(`${textOf(low)} to ${textOf(high)}`);
  else {
    if (low !== undefined) found.push(`${more} ${textOf(low)}`);
    if (high !== undefined) found.push(`${less} ${textOf(high)}`);
  }
  if (schema.multipleOf) found.push(`a multiple of ${textOf(schema.multipleOf)}`);
  found.push(...sizes(schema.minLength, schema.maxLength, "characters"));
  found.push(...sizes(schema.minItems, schema.maxItems, "entries"));
  if (schema["x-types"]) found.push(schema["x-types"].join(" or "));
  if (schema["x-max-size"] !== undefined) found.push(`at most ${bytes(schema["x-max-size"])}`);
  if (schema.pattern) found.push(`matches ${schema.pattern}`);
  return found;
}

/**
 * @param {number|undefined} low
 * @param {number|undefined} high
 * @param {string} what
 */
function sizes(low, high, what) {
  if (low && high !== undefined) return [low === high ? `${low} ${what}` : `${low} to ${high} ${what}`];
  if (high !== undefined) return [`at most ${high} ${what}`];
  return low && low > 1 ? [`at least ${low} ${what}`] : [];
}

/**
 * Add a step to a JSON Pointer (RFC 6901).
 * @param {string} pointer
 * @param {string|number} step
 */
export const pointTo = (pointer, step) =>
  `${pointer}/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`;
