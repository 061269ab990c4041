/** Reading JSON Schema (2020-12, as pydantic writes it) for the form. */

/**
 * @typedef {Record<string, any>} Schema
 *
 * @typedef {object} Shape what the form has to know about one value
 * @property {"const"|"enum"|"boolean"|"number"|"integer"|"string"|"object"|"array"|"json"} kind
 * @property {Schema} schema with references and `null` resolved away
 * @property {boolean} nullable whether `null` is allowed too
 */

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
    if (others.length !== 1) return { schema, nullable: others.length < choices.length };
    const { [word]: _, ...beside } = schema;
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
  if (schema.const !== undefined) return "const";
  if (Array.isArray(schema.enum)) return "enum";
  if (schema.anyOf || schema.oneOf || schema.allOf) return "json";
  if (SCALARS.has(schema.type)) return schema.type;
  if (schema.type === "object" && schema.properties && !openEnded(schema)) return "object";
  if (schema.type === "array" && isSchema(schema.items) && !schema.prefixItems) return "array";
  return "json";
}

/** @param {Schema} schema whether it takes properties that have no name yet */
const openEnded = (schema) => Boolean(schema.additionalProperties) || Boolean(schema.patternProperties);

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
  if (inclusive) found.push(`${low} to ${high}`);
  else {
    if (low !== undefined) found.push(`${more} ${low}`);
    if (high !== undefined) found.push(`${less} ${high}`);
  }
  if (schema.multipleOf) found.push(`a multiple of ${schema.multipleOf}`);
  found.push(...sizes(schema.minLength, schema.maxLength, "characters"));
  found.push(...sizes(schema.minItems, schema.maxItems, "entries"));
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
