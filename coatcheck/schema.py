"""Checks a task's arguments against its JSON Schema, before anything is queued.

The worker checks them again with the task's own types. This check is here so that a client learns at
once, and of every wrong field, without the functions importing a task.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from coatcheck.catalog import TaskSpec
from coatcheck.errors import MAX_ERRORS, FieldError, InvalidArgumentsError
from coatcheck.files.ids import read_id
from coatcheck.files.places import FILE
from coatcheck.files.rules import is_file
from coatcheck.json_pointer import pointer_of
from coatcheck.lenient import GIVEN, is_given, lenient, opened, strict

Failure = tuple[list[str | int], str]
"""The path to a wrong field, and what is wrong with it."""

DIALECT = "http://json-schema.org/draft-07/schema#"
"""What the validator compiles. Of 2020-12, as pydantic writes it, only ``prefixItems`` differs."""

MAX_CHECKS = 256
"""Most compiled schemas that are kept."""

FORMATS: dict[str, str | Callable[[str], bool]] = {
    GIVEN["format"]: is_given,
    "uuid": r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z",
}

A_FILE = "file"
"""Stands among the JSON types that a schema allows for a file, which is an object."""

BOUNDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
}
"""What is said of a value beyond a bound."""

INTEGER = re.compile(r"[-+]?[0-9]+")
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
"""How numbers are written in a form: Python alone would take ``1_0``, ``nan`` and other digits too."""


def validate(
    spec: TaskSpec, arguments: Mapping[str, Any], pointer: str = "", *, waiting: bool = False
) -> None:
    """Check arguments for a task.

    Takes the JSON Pointer of the arguments in the request's body, put before that of each wrong field;
    ``waiting``: what has still to be replaced by another job's result fits wherever it stands.

    Raises InvalidArgumentsError: names every wrong field.
    """
    errors = field_errors(spec, arguments, pointer, waiting=waiting)
    if errors:
        more = "At least " if len(errors) == MAX_ERRORS else ""
        raise InvalidArgumentsError(
            f"{more}{len(errors)} field{'s' if len(errors) > 1 else ''} of the arguments of {spec.name} "
            f"{'are' if len(errors) > 1 else 'is'} wrong.",
            errors=errors,
        )


def field_errors(
    spec: TaskSpec, arguments: Mapping[str, Any], pointer: str = "", *, waiting: bool = False
) -> list[FieldError]:
    """What is wrong with the arguments, an entry for each field, up to MAX_ERRORS; empty when they fit.

    Takes what ``validate`` does.
    """
    found: dict[tuple[str, str], None] = {}
    try:
        schema, value = (_lenient_of(spec.schema), opened(arguments)) if waiting else (spec.schema, arguments)
        for path, detail in _failures(schema, value):
            found[pointer + pointer_of(path), detail] = None
            if len(found) == MAX_ERRORS:
                break
    except RecursionError:
        return [FieldError(pointer, "is nested too deeply")]
    return [FieldError(where, detail) for where, detail in found]


def _failures(schema: Mapping[str, Any], value: Any) -> Iterable[Failure]:
    try:
        _check_of(schema)(value)
    except ValueError as error:
        return _told(error, value, schema.get("$defs", {}))
    return ()


def _told(error: ValueError, value: Any, definitions: Mapping[str, Any]) -> Iterator[Failure]:
    """What an error of the validator means."""
    import fastjsonschema

    if not isinstance(
        error, fastjsonschema.JsonSchemaValuesException | fastjsonschema.JsonSchemaValueException
    ):
        raise error
    for failure in getattr(error, "errors", [error]):
        yield from _field_errors(value, failure, definitions)


def _check_of(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """The compiled check of a schema: the catalogue's are the same objects in every request."""
    known = _checks.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_checks) >= MAX_CHECKS:
            _checks.clear()
        # With the schema itself, so that its id is not given to another one.
        known = _checks[id(schema)] = (schema, _validator(json.dumps(schema)))
    return known[1]


_checks: dict[int, tuple[Mapping[str, Any], Callable[[Mapping[str, Any]], Any]]] = {}


def _lenient_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The lenient form of a schema of the catalogue: the same object each time, as ``_check_of`` needs it."""
    known = _lenient.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_lenient) >= MAX_CHECKS:
            _lenient.clear()
        known = _lenient[id(schema)] = (schema, lenient(schema))
    return known[1]


_lenient: dict[int, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}


@lru_cache(maxsize=MAX_CHECKS)
def _validator(schema: str) -> Callable[[Mapping[str, Any]], Any]:
    import fastjsonschema  # imported by the first submission only: a status look-up never pays for it

    class Errors(list[Any]):
        """Ends the check once there are enough: each error costs as much as a thousand right values."""

        def append(self, error: Any) -> None:
            self.extend([error])

        def extend(self, errors: Iterable[Any]) -> None:
            super().extend(errors)
            if len(self) >= MAX_ERRORS:
                raise fastjsonschema.JsonSchemaValuesException(self[:MAX_ERRORS])

    definition = {"$schema": DIALECT, **_draft7(json.loads(schema))}
    code: str = fastjsonschema.compile_to_code(
        definition, formats=FORMATS, use_default=False, fast_fail=False
    )
    module: dict[str, Any] = {"Errors": Errors}
    # What fastjsonschema.compile does too, but its functions collect all errors that there are.
    exec(code.replace("    errors = []\n", "    errors = Errors()\n"), module)  # noqa: S102
    compiled: Callable[[Mapping[str, Any]], Any] = partial(module["validate"], custom_formats=FORMATS)
    return compiled


def _draft7(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_draft7(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    converted = {name: _draft7(value) for name, value in schema.items()}
    if isinstance(converted.get("prefixItems"), list):
        if "items" in converted:
            converted["additionalItems"] = converted.pop("items")
        converted["items"] = converted.pop("prefixItems")
    return converted


def _field_errors(arguments: Any, failure: Any, definitions: Mapping[str, Any]) -> Iterable[Failure]:
    """What one failure of the validator means: a path and a text for each field that it names."""
    path, value = _locate(arguments, str(failure.name or ""), failure.value)
    definition = failure.definition if isinstance(failure.definition, dict) else {}
    if failure.rule == "required" and isinstance(value, dict):
        missing = [name for name in definition.get("required", ()) if name not in value]
        return [([*path, name], "is required") for name in missing]
    if failure.rule == "additionalProperties" and isinstance(value, dict):
        patterns = [re.compile(pattern) for pattern in definition.get("patternProperties", ())]
        unknown = [
            name
            for name in value
            if name not in definition.get("properties", {}) and not any(p.search(name) for p in patterns)
        ]
        return [([*path, name], "is not known") for name in unknown]
    if failure.rule in ("anyOf", "oneOf"):
        options = [strict(option) for option in definition[failure.rule]]
        meant = [option for option in options if _may_mean(option, value, definitions)]
        if len(meant) > 1:
            meant = [option for option in meant if _has_its_constants(option, value)]
        if len(meant) == 1:
            inside = list(_failures({**meant[0], "$defs": definitions}, value))
            if inside:
                return [([*path, *steps], detail) for steps, detail in inside]
    return [(path, _detail(failure, definition))]


def _may_mean(option: Mapping[str, Any], value: Any, definitions: Mapping[str, Any]) -> bool:
    kinds = _kinds(option, definitions)
    return not kinds or bool(kinds & _kinds_of(value))


def _has_its_constants(option: Mapping[str, Any], value: Any) -> bool:
    """Whether an object has the values by which one of several schemas is told from the others."""
    properties = option.get("properties", {}) if isinstance(value, dict) else {}
    return all(
        value[name] in (schema["enum"] if "enum" in schema else [schema["const"]])
        for name, schema in ((name, strict(schema)) for name, schema in properties.items())
        if name in value and is_given(value[name]) and schema.keys() & {"enum", "const"}
    )


def _kinds_of(value: Any) -> set[str]:
    """The JSON types of a value: a whole number is a number too."""
    if value is None or isinstance(value, bool):
        return {"null" if value is None else "boolean"}
    if isinstance(value, int | float):
        return {"number"} if isinstance(value, float) and not value.is_integer() else {"integer", "number"}
    return {"string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"}


def _locate(data: Any, name: str, wanted: Any) -> tuple[list[str | int], Any]:
    """The path to a value, from the validator's name of it (``data.stops[0].city``).

    Follows the data itself, since keys may contain dots and brackets too. Where the name fits two places,
    ``wanted``, the value that the validator looked at, decides.
    """
    places = list(_places(data, name.removeprefix("data"))) or [([], data)]
    return next((place for place in places if place[1] is wanted), places[0])


def _places(data: Any, rest: str) -> Iterator[tuple[list[str | int], Any]]:
    if not rest:
        yield [], data
    elif isinstance(data, list):
        match = re.match(r"\[(\d+)\]", rest)
        if match and int(match[1]) < len(data):
            step = int(match[1])
            for path, value in _places(data[step], rest[match.end() :]):
                yield [step, *path], value
    elif isinstance(data, dict):
        for key in _first_keys(data, rest):
            for path, value in _places(data[key], rest[len(key) + 1 :]):
                yield [key, *path], value


def _first_keys(data: Mapping[str, Any], rest: str) -> list[str]:
    """The keys that a name may begin with, ``city`` and ``city.name`` for ``.city.name``; longest first."""
    ends = [match.start() for match in re.finditer(r"[.\[]|\Z", rest)][1:]
    if len(ends) < len(data):
        found = [rest[1:end] for end in ends if rest[1:end] in data]
    else:
        found = [key for key in data if rest == f".{key}" or rest.startswith((f".{key}.", f".{key}["))]
    return sorted(found, key=len, reverse=True)


def _detail(failure: Any, definition: Mapping[str, Any]) -> str:
    rule, expected = failure.rule, definition.get(failure.rule)
    if rule == "enum" and isinstance(expected, list):
        return "must be one of " + ", ".join(json.dumps(choice, ensure_ascii=False) for choice in expected)
    if rule == "const":
        return "must be " + json.dumps(expected, ensure_ascii=False)
    if rule in ("anyOf", "oneOf") and isinstance(expected, list):
        return "must be " + " or ".join(_alternatives(expected))
    if rule == "type":
        return "must be " + " or ".join(_alternatives([{**definition, "title": None}]))
    if rule == "minLength" and expected == 1:
        return "must not be empty"
    if rule in BOUNDS:
        return BOUNDS[rule].format(expected)
    # The validator's texts start with the value's name, which the pointer tells better.
    return str(failure.message).removeprefix(str(failure.name)).strip()


def _alternatives(schemas: Iterable[Any]) -> list[str]:
    names: list[str] = []
    for schema in schemas:
        if not isinstance(schema, dict):
            continue
        schema = strict(schema)
        if is_file(schema):
            names.append('a file, {"$file": id}')
            continue
        title = schema.get("title") if "properties" in schema else None
        kind = schema.get("format") or title or schema.get("type")
        if kind is None and "$ref" in schema:
            kind = str(schema["$ref"]).rpartition("/")[2]
        names += kind if isinstance(kind, list) else [str(kind or "something else")]
    return list(dict.fromkeys(names))


def coerce_form(spec: TaskSpec, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Arguments from the fields of an HTML form, which are all text, by the types of the schema.

    A repeated field, or a field whose schema is an array, becomes a list. Objects are read as JSON, and a
    file's id is a file. An empty field is left out, or null if it is required, unless an empty text is what
    its schema takes. What can't be converted stays text, for ``validate`` to refuse.
    """
    properties = spec.schema.get("properties", {})
    definitions = spec.schema.get("$defs", {})
    required = spec.schema.get("required", ())
    values: dict[str, list[str]] = {}
    for name, text in pairs:
        values.setdefault(name, []).append(text)
    arguments: dict[str, Any] = {}
    for name, texts in values.items():
        schema = properties.get(name, {})
        kinds = _kinds(schema, definitions)
        if texts == [""] and not _takes_empty_text(schema, definitions):
            if name not in required:
                continue
            if "null" in kinds:
                arguments[name] = None
                continue
        if "array" in kinds and not (len(texts) == 1 and texts[0].lstrip().startswith("[")):
            items = _kinds(_resolved(schema, definitions).get("items", {}), definitions)
            arguments[name] = [_coerced(text, items) for text in texts if text != ""]
        elif len(texts) == 1:
            arguments[name] = _coerced(texts[0], kinds)
        else:
            arguments[name] = [_coerced(text, kinds) for text in texts]
    return arguments


def _takes_empty_text(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> bool:
    """Whether an empty field means an empty text: the schema takes one, and not null."""
    schema = _target(schema, definitions)
    if schema.get("type") == "string":
        return not ({"format", "enum", "const", "pattern"} & schema.keys() or schema.get("minLength"))
    return any(
        _takes_empty_text(option, definitions) for option in schema.get("anyOf", ())
    ) and "null" not in _kinds(schema, definitions)


def _target(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference means; any other schema itself."""
    if "$ref" not in schema:
        return schema
    target: Mapping[str, Any] = definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
    return target


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    for option in schema.get("anyOf", ()):
        if option.get("type") == "array":
            return _resolved(option, definitions)
    if "$ref" in schema:
        return _resolved(_target(schema, definitions), definitions)
    return schema


def _kinds(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> set[str]:
    """The JSON types that a schema allows."""
    schema = strict(schema)
    if "$ref" in schema:
        return _kinds(_target(schema, definitions), definitions)
    kinds: set[str] = set()
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        kinds |= _kinds(option, definitions)
    if is_file(schema):
        kinds.add(A_FILE)
    kind = schema.get("type", ())
    return kinds | ({kind} if isinstance(kind, str) else set(kind))


def _coerced(text: str, kinds: set[str]) -> Any:
    if A_FILE in kinds and read_id(text.strip()) is not None:
        return {FILE: text.strip()}
    if "boolean" in kinds and text.lower() in ("true", "on", "yes", "1", "false", "off", "no", "0"):
        return text.lower() in ("true", "on", "yes", "1")
    for kind, pattern, convert in (("integer", INTEGER, int), ("number", NUMBER, _finite)):
        if kind in kinds and pattern.fullmatch(text.strip()):
            try:
                return convert(text)
            except ValueError:
                continue
    if kinds & {"object", "array"}:
        try:
            return json.loads(
                text, parse_constant=_finite, parse_float=_finite, object_pairs_hook=_without_repeats
            )
        except (ValueError, RecursionError):
            return text
    return text


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("JSON has no such number")
    return number


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return members
