"""Checks arguments in which other jobs' results have still to be put.

Each placeholder gives way to a text of a type of its own, and the schema is changed so that such a text fits
wherever it stands. So the rest is checked as ever, inside unions too: a union fits if one of its options fits
with something in these places. What depends on what that is (``not``, ``if``, exactly one of several) is left
to the worker, which checks everything again once it knows the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coatcheck.codec import dumps
from coatcheck.placeholders import filled

GIVEN = {"format": "coatcheck-given"}
"""Fits all values but those of places that are still open."""
NAMED = frozenset({"properties", "patternProperties"})
LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
NESTED = frozenset({"items", "additionalProperties", "additionalItems", "contains"})
"""Keywords whose value has schemas by name, is a list of schemas, or is a schema."""
UNDECIDED = frozenset({"not", "if", "then", "else", "dependencies"})
"""Keywords whose outcome a later value may turn round."""
DATA = frozenset({"enum", "const"})


class Open(str):
    """Stands where a result has still to be put. Two of them are equal if they are the same result's."""


def is_given(value: Any) -> bool:
    """Whether a value is no open place: what the format of GIVEN means."""
    return not isinstance(value, Open)


def opened(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with their placeholders as open places."""
    return filled(arguments, lambda _, placeholder: Open(dumps(placeholder)))


def lenient(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema that takes open places for anything, in what it describes, but not as the whole of it."""
    changed: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in UNDECIDED or (keyword in DATA and _has_containers(value)):
            continue
        if keyword == "$defs":
            changed[keyword] = {name: lenient(inner) for name, inner in value.items()}
        elif keyword in NAMED:
            changed[keyword] = {name: _or_open(inner) for name, inner in value.items()}
        elif keyword == "oneOf":
            changed.setdefault("anyOf", [_or_open(inner) for inner in value])
        elif keyword in LISTS:
            changed[keyword] = [_or_open(inner) for inner in value]
        elif keyword in NESTED:
            changed[keyword] = _or_open(value)
        else:
            changed[keyword] = value
    return changed


def strict(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a lenient part of a schema says of a value that is given."""
    inner: Mapping[str, Any] = schema["then"] if schema.get("if") == GIVEN else schema
    return inner


def _or_open(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    return {"if": GIVEN, "then": lenient(schema)}


def _has_containers(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(each, dict | list) for each in values)
