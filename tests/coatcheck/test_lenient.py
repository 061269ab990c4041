"""What is still to be filled fits wherever it stands, and everything else is checked as ever."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from coatcheck.catalog import TaskSpec
from coatcheck.json_pointer import pointer_of
from coatcheck.placeholders import is_placeholder
from coatcheck.schema import field_errors
from tests.coatcheck.specs import Comfort, spec, spec_of
from tests.coatcheck.test_schema import (
    RECURSIVE_MODEL,
    RIGHT,
    WIDE_MODEL,
    WRONG,
    Cat,
    Closed,
    Dog,
    Node,
    Pet,
    Recursive,
    Stop,
    Wide,
    quick,
    recursive,
    wide,
)

LATER = {"$result": "a", "pointer": "/rows/0"}


def wrong(task: TaskSpec, arguments: dict[str, Any]) -> dict[str, str]:
    """Pointer -> detail."""
    return {error.pointer: error.detail for error in field_errors(task, arguments, waiting=True)}


@pytest.mark.parametrize("kind", [kind for kind, _ in RIGHT])
def test_a_result_fits_any_argument(kind: Any) -> None:
    assert wrong(spec(x=kind), {"x": LATER}) == {}


INSIDE: list[tuple[Any, Any]] = [
    (Stop, {"city": LATER}),
    (Stop | None, {"city": LATER, "nights": 1}),
    (Closed, {"name": LATER}),
    (list[int], [1, LATER, 2]),
    (set[int], [LATER, {"$result": "b"}]),
    (tuple[int, str], [LATER, "a"]),
    (dict[str, Stop], {"a": LATER, "b": {"city": LATER}}),
    (Pet, {"kind": LATER, "lives": 9}),
    (Pet, {"kind": "cat", "lives": LATER}),
    (Cat | Dog, {"kind": "dog", "barks": LATER}),
    (list[Pet], [{"kind": "dog", "barks": LATER}, LATER]),
    (list[int] | dict[str, int], {"a": LATER}),
    (Node, {"children": [{"next": LATER}, LATER], "value": LATER}),
    (Annotated[list[int], Field(min_length=2)], [LATER, LATER]),
    (Literal["a"] | Comfort | None, LATER),
]


@pytest.mark.parametrize(("kind", "value"), INSIDE)
def test_a_result_fits_any_part_of_an_argument(kind: Any, value: Any) -> None:
    assert wrong(spec(x=kind), {"x": value}) == {}


BESIDE: list[tuple[Any, Any, dict[str, str]]] = [
    (Stop, {"city": LATER, "nights": 0}, {"/x/nights": "must be at least 1"}),
    (Stop, {"nights": LATER}, {"/x/city": "is required"}),
    (Stop | None, {"city": LATER, "nights": 0}, {"/x/nights": "must be at least 1"}),
    (Closed, {"name": "", "other": LATER}, {"/x/other": "is not known"}),
    (list[int], [LATER, "a"], {"/x/1": "must be integer"}),
    (tuple[int, str], [LATER, 2], {"/x/1": "must be string"}),
    (Annotated[list[int], Field(min_length=2)], [LATER], {"/x": "must have at least 2 entries"}),
    (Pet, {"kind": "cat", "lives": "nine", "name": LATER}, {"/x/lives": "must be integer"}),
    (Pet, {"kind": "cow", "lives": LATER}, {"/x": "must be Cat or Dog"}),
    (int | str, [LATER], {"/x": "must be integer or string"}),
    (Node, {"next": {"next": {"value": "", "children": [LATER]}}}, {"/x/next/next/value": "must be integer"}),
    (dict[str, int], {"a.b": LATER, "a": {"b": LATER}, "c": ""}, {"/x/a": "", "/x/c": "must be integer"}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), BESIDE)
def test_what_is_wrong_beside_a_result_is_told(kind: Any, value: Any, expected: dict[str, str]) -> None:
    found = wrong(spec(x=kind), {"x": value})
    assert found.keys() == expected.keys()
    assert all(found[pointer] == detail for pointer, detail in expected.items() if detail)


@pytest.mark.parametrize(("kind", "value", "expected"), WRONG)
def test_another_argument_is_checked_as_ever(kind: Any, value: Any, expected: dict[str, str]) -> None:
    task = spec(x=kind, y=int)
    told = {error.pointer: error.detail for error in field_errors(task, {"x": value, "y": 1})}
    assert wrong(task, {"x": value, "y": LATER}) == told


def test_a_text_of_the_client_is_no_result() -> None:
    assert wrong(spec(x=int, y=int), {"x": LATER, "y": json.dumps(LATER)}) == {"/y": "must be integer"}
    assert wrong(spec(x=int, y=int), {"x": LATER, "y": LATER | {"z": 1}}) == {"/y": "must be integer"}


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"properties": {"a": {"type": "string"}}}},
        {"oneOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"a": {"type": "string"}}}]},
        {"if": {"properties": {"a": {"type": "string"}}}, "then": {"required": ["b"]}},
        {"enum": [{"a": 1}, 2]},
        {"const": {"a": 1}},
    ],
)
def test_what_depends_on_the_result_is_left_open(schema: dict[str, Any]) -> None:
    task = TaskSpec("some.task", "", "", {"type": "object", "properties": {"x": schema}})
    assert wrong(task, {"x": {"a": LATER}}) == {}


@quick
@given(wide | recursive, st.data())
def test_right_arguments_stay_right_whatever_part_of_them_comes_later(
    value: Wide | Recursive, data: st.DataObject
) -> None:
    model = WIDE_MODEL if isinstance(value, Wide) else RECURSIVE_MODEL
    arguments = json.loads(model(x=value).model_dump_json())
    paths = data.draw(st.lists(st.sampled_from(_paths(arguments)), min_size=1, max_size=3))
    for number, path in enumerate(paths):
        _put(arguments, path, {"$result": "a", "pointer": f"/{number}"})
    assert wrong(spec_of(model), arguments) == {}


@quick
@given(recursive, st.data())
def test_a_wrong_leaf_is_told_whatever_other_parts_come_later(value: Recursive, data: st.DataObject) -> None:
    arguments = json.loads(RECURSIVE_MODEL(x=value).model_dump_json())
    leaves = [path for path in _paths(arguments) if path[-1] == "value"]
    leaf = data.draw(st.sampled_from(leaves))
    others = [path for path in _paths(arguments) if path != leaf[: len(path)]]
    _put(arguments, leaf, "wrong")
    for path in data.draw(st.lists(st.sampled_from(others), max_size=3)) if others else []:
        _put(arguments, path, LATER)
    assert wrong(spec_of(RECURSIVE_MODEL), arguments) == {pointer_of(leaf): "must be integer"}


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths to all values inside."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[str | int, ...]] = []
    for step, inner in steps:
        found += [(*path, step), *_paths(inner, (*path, step))]
    return found


def _put(value: Any, path: tuple[str | int, ...], part: Any) -> None:
    """Put something at a path, unless something else was put above it."""
    for step in path[:-1]:
        if is_placeholder(value):
            return
        value = value[step]
    if not is_placeholder(value):
        value[path[-1]] = part
