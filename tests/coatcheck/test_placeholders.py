"""Where another job's result goes is found at any depth, and nothing else is taken for it."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck.placeholders import faults, filled, is_placeholder, placeholders


@pytest.mark.parametrize("value", [{"$result": "a"}, {"$result": "a", "pointer": "/x"}, {"$result": 5}])
def test_exactly_these_members_are_a_placeholder(value: Any) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"pointer": "/x"},
        {"$result": "a", "x": 1},
        {"$result": "a", "pointer": "", "x": 1},
        ["$result"],
        "$result",
    ],
)
def test_anything_else_is_itself(value: Any) -> None:
    assert not is_placeholder(value)
    assert list(placeholders({"x": value})) == []


def test_all_are_found_in_their_order() -> None:
    arguments = {
        "a": {"$result": "1"},
        "b": [0, {"$result": "2"}, {"c": {"$result": "3", "pointer": "/x"}}],
        "d": {"$result": "4", "more": {"$result": "5"}},
    }
    assert [(path, value["$result"]) for path, value in placeholders(arguments)] == [
        (("a",), "1"),
        (("b", 1), "2"),
        (("b", 2, "c"), "3"),
        (("d", "more"), "5"),
    ]


def test_the_arguments_themselves_are_none() -> None:
    assert list(placeholders({"$result": "a"})) == []


def test_each_is_replaced_and_the_rest_stays() -> None:
    arguments = {"a": {"$result": "1"}, "b": [0, {"c": {"$result": "2"}}], "d": {"$result": "3", "e": 1}}
    given = filled(arguments, lambda path, placeholder: [*path, placeholder["$result"]])
    assert given == {"a": ["a", "1"], "b": [0, {"c": ["b", 1, "c", "2"]}], "d": {"$result": "3", "e": 1}}
    assert arguments["a"] == {"$result": "1"}


@pytest.mark.parametrize(
    ("placeholder", "members"),
    [
        ({"$result": "a", "pointer": "/rows/0"}, []),
        ({"$result": "a", "pointer": ""}, []),
        ({"$result": None}, ["$result"]),
        ({"$result": "a", "pointer": None}, ["pointer"]),
        ({"$result": "a", "pointer": "rows"}, ["pointer"]),
        ({"$result": ["a"], "pointer": "/~"}, ["$result", "pointer"]),
    ],
)
def test_what_is_malformed_is_told_by_its_member(placeholder: Any, members: list[str]) -> None:
    assert [member for member, _ in faults(placeholder)] == members
