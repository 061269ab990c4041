"""A JSON Schema in a few words, for people at a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from coatcheck.client.files.arguments import FORMAT, Rules

Schema = Mapping[str, Any]

WORDS = {"string": "text", "integer": "whole number", "boolean": "yes or no", "array": "list", "null": "null"}
FORMATS = {"date": "date, 2030-01-31", "date-time": "time, 2030-01-31T18:00:00Z", "uuid": "UUID"}
KEYWORDS = {"anyOf", "oneOf", "enum", "const"}
"""What tells of values without telling their type."""
UNITS = {"string": "characters", "array": "entries"}
LOW = ("minimum", "minLength", "minItems")
HIGH = ("maximum", "maxLength", "maxItems")


def resolved(schema: Schema, definitions: Schema) -> Schema:
    """The schema that a reference means, with what stands beside the reference."""
    if "$ref" not in schema:
        return schema
    target = definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    return {**target, **beside}


def alternatives(schema: Schema, definitions: Schema) -> Sequence[Schema]:
    """The schemas of which a value has to fit one, without null."""
    schema = resolved(schema, definitions)
    options = schema.get("anyOf") or schema.get("oneOf") or [schema]
    found = [resolved(option, definitions) for option in options]
    return [option for option in found if option.get("type") != "null"] or found


def choices(schema: Schema, definitions: Schema) -> list[str]:
    """The values that a schema allows, as they are written on a command line; empty: not only a few."""
    found: list[str] = []
    for option in alternatives(schema, definitions):
        allowed = option["enum"] if "enum" in option else [option["const"]] if "const" in option else None
        if allowed is None:
            return []
        found += [value if isinstance(value, str) else json.dumps(value) for value in allowed]
    return found


def words(schema: Schema, definitions: Schema) -> str:
    """The type and its bounds: ``whole number, 1 to 1000``."""
    if allowed := choices(schema, definitions):
        return "one of " + ", ".join(allowed)
    return " or ".join(_one(option, definitions) for option in alternatives(schema, definitions))


def _one(schema: Schema, definitions: Schema) -> str:
    kind = schema.get("type")
    if kind is None:
        return words(schema, definitions) if schema.keys() & KEYWORDS else "any JSON"
    if schema.get("format") == FORMAT:
        return _file(Rules.of(schema))
    if kind == "object":
        fields = ", ".join(schema.get("properties", ()))
        return f"JSON object {{{fields}}}" if fields else "JSON object"
    name = FORMATS.get(str(schema.get("format"))) or WORDS.get(str(kind), str(kind))
    if kind == "array" and "items" in schema:
        name = f"list of: {words(schema['items'], definitions)}"
    bounds = _bounds(schema, UNITS.get(str(kind), ""))
    pattern = f"like {schema['pattern']}" if "pattern" in schema else ""
    return ", ".join(part for part in (name, bounds, pattern) if part)


def _file(rules: Rules) -> str:
    most = f"at most {size(rules.max_size)}" if rules.max_size is not None else ""
    return ", ".join(part for part in ("@FILE", " or ".join(rules.types), most) if part)


def size(number: int) -> str:
    """Bytes, in the unit that makes them short: ``1.5 MB``."""
    value = float(number)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"
        value /= 1000
    raise AssertionError


def _bounds(schema: Schema, unit: str) -> str:
    low = next((schema[name] for name in LOW if name in schema), None)
    high = next((schema[name] for name in HIGH if name in schema), None)
    parts = []
    if low is not None and high is not None:
        parts.append(f"{low} to {high}")
    elif low is not None:
        parts.append(f"at least {low}")
    elif high is not None:
        parts.append(f"at most {high}")
    text = " ".join([*parts, unit]) if parts and unit else "".join(parts)
    more = [f"more than {schema['exclusiveMinimum']}"] if "exclusiveMinimum" in schema else []
    less = [f"less than {schema['exclusiveMaximum']}"] if "exclusiveMaximum" in schema else []
    return ", ".join([*([text] if text else []), *more, *less])
