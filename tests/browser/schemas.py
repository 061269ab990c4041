"""Random schemas as pydantic writes them, values that are valid for them, and how a person enters these."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
Step = list[Any]
"""What to do with one field: see ``fill.js``."""
ABSENT = object()
"""The value of a property that is left out."""
LEAVE: Step = ["leave"]

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), max_size=12)
NAMES = TEXT.filter(lambda text: text and not text.isdecimal())  # JavaScript sorts what looks like an index
SECONDS = st.datetimes(datetime(1970, 1, 2), datetime(2199, 1, 1)).map(lambda one: one.replace(microsecond=0))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
SCALARS = TEXT | st.integers(-99, 99) | st.booleans()


@dataclass(frozen=True)
class Kind:
    """A schema, its values with the steps that enter them, and what a field needs to be left empty.

    ``nothing`` empties the widget; None: it is a group, behind a checkbox where it is optional.
    """

    schema: Schema
    entries: st.SearchStrategy[tuple[Any, Step]]
    nothing: Step | None


def typed(schema: Schema, values: st.SearchStrategy[Any], text: Callable[[Any], str] = str) -> Kind:
    """What is typed into a widget."""
    return Kind(schema, values.map(lambda value: (value, ["type", text(value)])), ["type", ""])


def not_empty(kind: Kind) -> Kind:
    """An optional text that is empty counts as none: nothing else can be meant by it."""
    return Kind(kind.schema, kind.entries.filter(lambda entry: entry[0] != ""), kind.nothing)


def picked(values: list[Any]) -> Kind:
    entries = st.integers(0, len(values) - 1).map(lambda index: (values[index], ["pick", index]))
    return Kind({"enum": values}, entries, ["pick", None])


def distinct(values: list[Any]) -> bool:
    return len({json.dumps(value) for value in values}) == len(values)


def integers(low: int, span: int) -> Kind:
    schema = {"type": "integer", "minimum": low, "maximum": low + span}
    return typed(schema, st.integers(low, low + span))


SIMPLE = st.one_of(
    st.sampled_from(
        [
            typed({"type": "string"}, TEXT),
            typed({"type": "string", "maxLength": 900}, st.lists(TEXT).map("\n".join)),
            typed({"type": "integer"}, st.integers()),
            typed({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False), repr),
            typed({"type": "string", "format": "date"}, SECONDS.map(lambda one: one.date().isoformat())),
            typed({"type": "string", "format": "uuid"}, st.uuids().map(str)),
            typed({}, JSON.filter(lambda value: value is not None), json.dumps),
        ]
    ),
    st.builds(integers, st.integers(), st.integers(0, 2**70)),
    st.lists(SCALARS, min_size=1, max_size=7).filter(distinct).map(picked),
    st.just(
        Kind(
            {"type": "string", "format": "date-time"},
            SECONDS.map(lambda one: (f"{one.isoformat()}.000Z", ["type", one.isoformat()])),
            ["type", ""],
        )
    ),
)
BOOLEAN = Kind({"type": "boolean"}, st.booleans().map(lambda on: (on, ["tick", on])), None)
MAYBE_BOOLEAN = Kind(
    {"type": "boolean"}, st.booleans().map(lambda on: (on, ["pick", 1 - on])), ["pick", None]
)


def nullable(kind: Kind) -> Kind:
    """``kind | None``."""
    schema = {"anyOf": [kind.schema, {"type": "null"}]}
    if kind is BOOLEAN:
        kind = MAYBE_BOOLEAN
    if kind.nothing is None:
        some = kind.entries.map(lambda entry: (entry[0], ["wanted", True, entry[1]]))
        return Kind(schema, st.just((None, ["wanted", False, LEAVE])) | some, None)
    return Kind(schema, st.just((None, kind.nothing)) | not_empty(kind).entries, kind.nothing)


def listed(kind: Kind) -> Kind:
    entries = st.lists(kind.entries, max_size=3).map(
        lambda drawn: ([value for value, _ in drawn], ["rows", [step for _, step in drawn]])
    )
    return Kind({"type": "array", "items": kind.schema}, entries, None)


def mapped(kind: Kind) -> Kind:
    entries = st.dictionaries(TEXT, kind.entries, max_size=3).map(
        lambda drawn: (
            {key: value for key, (value, _) in drawn.items()},
            ["entries", [[key, step] for key, (_, step) in drawn.items()]],
        )
    )
    return Kind({"type": "object", "additionalProperties": kind.schema}, entries, None)


def together(kinds: list[Kind]) -> Kind:
    """A tuple."""
    schema = {
        "type": "array",
        "prefixItems": [kind.schema for kind in kinds],
        "minItems": len(kinds),
        "maxItems": len(kinds),
    }
    entries = st.tuples(*(kind.entries for kind in kinds)).map(
        lambda drawn: ([value for value, _ in drawn], ["fields", [step for _, step in drawn]])
    )
    return Kind(schema, entries, None)


def either(kinds: list[Kind]) -> Kind:
    """A union: whoever fills it in says which kind they mean."""
    chosen = [st.tuples(st.just(index), kind.entries) for index, kind in enumerate(kinds)]
    entries = st.one_of(chosen).map(lambda drawn: (drawn[1][0], ["kind", drawn[0], drawn[1][1]]))
    return Kind({"anyOf": [kind.schema for kind in kinds]}, entries, None)


@dataclass(frozen=True)
class Property:
    """A property of a model: required, optional, or with a default."""

    name: str
    kind: Kind
    required: bool


@st.composite
def properties(draw: st.DrawFn, kinds: st.SearchStrategy[Kind]) -> list[Property]:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    return [draw(one_property(name, kinds)) for name in names]


@st.composite
def one_property(draw: st.DrawFn, name: str, kinds: st.SearchStrategy[Kind]) -> Property:
    kind, state = draw(kinds), draw(st.sampled_from(["required", "optional", "default"]))
    if state == "required":
        return Property(name, kind, True)
    if state == "optional":
        return Property(name, left_out(kind), False)
    default, _ = draw(kind.entries)
    if default is None:
        return Property(name, left_out(kind), False)
    untouched = st.just((default, LEAVE))
    return Property(name, Kind({**kind.schema, "default": default}, kind.entries | untouched, None), False)


def left_out(kind: Kind) -> Kind:
    """A kind whose value may be missing. One that may be null is null by default, as pydantic has it."""
    if "anyOf" in kind.schema and {"type": "null"} in kind.schema["anyOf"]:
        entries = kind.entries.map(lambda entry: (ABSENT if entry[0] is None else entry[0], entry[1]))
        return Kind({**kind.schema, "default": None}, entries, None)
    if kind is BOOLEAN:
        kind = MAYBE_BOOLEAN
    if kind.nothing is None:
        some = kind.entries.map(lambda entry: (entry[0], ["wanted", True, entry[1]]))
        return Kind(kind.schema, st.just((ABSENT, ["wanted", False, LEAVE])) | some, None)
    return Kind(kind.schema, st.just((ABSENT, kind.nothing)) | not_empty(kind).entries, None)


def model(members: list[Property]) -> Kind:
    """An object of known properties."""
    schema = {
        "type": "object",
        "properties": {member.name: member.kind.schema for member in members},
        "required": [member.name for member in members if member.required],
        "additionalProperties": False,
    }
    entries = st.tuples(*(member.kind.entries for member in members)).map(
        lambda drawn: (
            {
                member.name: value
                for member, (value, _) in zip(members, drawn, strict=True)
                if value is not ABSENT
            },
            ["fields", [step for _, step in drawn]],
        )
    )
    return Kind(schema, entries, None)


LEAVES = SIMPLE | st.just(BOOLEAN)


def grown(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    """What is made of others. A list of anything is not among these: it is written as JSON."""
    known = inner.filter(lambda kind: bool(kind.schema))
    single = known.filter(lambda kind: "anyOf" not in kind.schema)
    return st.one_of(
        known.map(listed),
        known.map(mapped),
        single.map(nullable),
        st.lists(known, min_size=1, max_size=3).map(together),
        st.lists(single, min_size=2, max_size=3).map(either),
        properties(inner).map(model),
    )


KINDS = LEAVES | grown(LEAVES) | grown(grown(LEAVES) | LEAVES)
FORMS = properties(KINDS).map(model)
"""Schemas of a task's arguments."""
