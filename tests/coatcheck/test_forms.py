"""Arguments from the fields of an HTML form, which are all text."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from coatcheck import File, FileRules
from coatcheck.schema import coerce_form, field_errors
from tests.coatcheck.specs import Comfort, Level, spec

A_FILE = f"d30.{'0' * 24}.{'1' * 36}"


class Stop(BaseModel):
    city: str


CONVERTED: list[tuple[Any, list[str], Any]] = [
    (str, ["5"], "5"),
    (str, ["true"], "true"),
    (str, [" a "], " a "),
    (str, [""], ""),
    (int, ["5"], 5),
    (int, ["-5"], -5),
    (int, [" 5 "], 5),
    (int, ["+5"], 5),
    (int, ["9" * 30], int("9" * 30)),
    (float, ["5"], 5.0),
    (float, ["1.5"], 1.5),
    (float, [".5"], 0.5),
    (float, ["1e3"], 1000.0),
    (Decimal, ["1.5"], 1.5),
    *((bool, [text], True) for text in ("true", "True", "on", "yes", "1")),
    *((bool, [text], False) for text in ("false", "FALSE", "off", "no", "0")),
    (File, [A_FILE], {"$file": A_FILE}),
    (File, [f'{{"$file": "{A_FILE}"}}'], {"$file": A_FILE}),
    (File | None, [f" {A_FILE} "], {"$file": A_FILE}),
    (list[Annotated[File, FileRules(types=["image/*"])]], [A_FILE], [{"$file": A_FILE}]),
    (int | None, ["5"], 5),
    (int | str, ["5"], 5),
    (int | str, ["five"], "five"),
    (Comfort, ["grand"], "grand"),
    (Level, ["2"], 2),
    (Literal["a", "b"], ["a"], "a"),
    (Literal[1, 2], ["1"], 1),
    (date, ["2026-11-25"], "2026-11-25"),
    (list[int], ["1"], [1]),
    (list[int], ["1", "2"], [1, 2]),
    (list[int], ["[1, 2]"], [1, 2]),
    (list[int], [" [1]"], [1]),
    (list[int], [""], []),
    (list[str], ["a", "", "b"], ["a", "b"]),
    (list[bool], ["on", "off"], [True, False]),
    (list[int] | None, ["1"], [1]),
    (set[int], ["1", "2"], [1, 2]),
    (list[Stop], ['{"city": "Rome"}', '{"city": "Oslo"}'], [{"city": "Rome"}, {"city": "Oslo"}]),
    (list[Stop], ['[{"city": "Rome"}]'], [{"city": "Rome"}]),
    (tuple[int, str], ['[1, "a"]'], [1, "a"]),
    (Stop, ['{"city": "Rome"}'], {"city": "Rome"}),
    (Stop | None, ['{"city": "Rome"}'], {"city": "Rome"}),
    (dict[str, float], ['{"a": 1.5}'], {"a": 1.5}),
    (Any, ["5"], "5"),
]

REFUSED: list[tuple[Any, list[str]]] = [
    (int, ["five"]),
    (int, [""]),
    (int, ["1.5"]),
    (int, ["1_0"]),
    (int, ["0x10"]),
    (int, ["\u0661"]),
    (int, ["9" * 5000]),
    (int, ["1", "2"]),
    (float, ["nan"]),
    (float, ["inf"]),
    (float, ["-Infinity"]),
    (float, ["1e999"]),
    (float, ["1e"]),
    (bool, ["perhaps"]),
    (bool, [""]),
    (str, ["a", "b"]),
    (list[int], ["1", "x"]),
    (list[int], ["[1"]),
    (list[int], ["[NaN]"]),
    (Stop, ["Rome"]),
    (Stop, ["{}"]),
    (Stop, ['{"city": "a", "city": "b"}']),
    (dict[str, float], ['{"a": NaN}']),
    (dict[str, float], ['{"a": 1e999}']),
    (dict[str, Any], ['{"a":' * 100_000]),
    (list[Any], ["[" * 100_000]),
    (date, [""]),
]

EMPTY: list[tuple[Any, dict[str, Any]]] = [
    # Required: null where it may be null.
    (int | None, {"x": None}),
    (str | None, {"x": None}),
    (date | None, {"x": None}),
    (Stop | None, {"x": None}),
    # May be left out: left out, unless an empty text is meant.
    ((int, 5), {}),
    ((bool, True), {}),
    ((int | None, 5), {}),
    ((str | None, None), {}),
    ((date | None, None), {}),
    ((date, date(2026, 1, 1)), {}),
    ((Comfort, Comfort.GRAND), {}),
    ((Literal["a"], "a"), {}),
    ((Annotated[str, Field(min_length=1)], "a"), {}),
    ((Annotated[str, Field(pattern="^a")], "a"), {}),
    ((list[int], []), {}),
    ((Stop | None, None), {}),
    ((Any, None), {}),
    ((str, "default"), {"x": ""}),
    ((Annotated[str, Field(max_length=5)], "a"), {"x": ""}),
    ((int | str, 5), {"x": ""}),
]


@pytest.mark.parametrize(("kind", "texts", "value"), CONVERTED)
def test_text_becomes_a_value_of_the_schemas_type(kind: Any, texts: list[str], value: Any) -> None:
    task = spec(x=kind)
    found = coerce_form(task, [("x", text) for text in texts])
    assert found == {"x": value}
    assert type(found["x"]) is type(value)
    assert field_errors(task, found) == []


@pytest.mark.parametrize(("kind", "texts"), REFUSED)
def test_what_cannot_be_converted_is_left_for_the_check_to_refuse(kind: Any, texts: list[str]) -> None:
    task = spec(x=kind)
    errors = field_errors(task, coerce_form(task, [("x", text) for text in texts]))
    assert errors
    assert all(error.pointer.startswith("/x") for error in errors)


@pytest.mark.parametrize(("kind", "arguments"), EMPTY)
def test_an_empty_field_is_left_out_or_null_unless_it_means_an_empty_text(
    kind: Any, arguments: dict[str, Any]
) -> None:
    task = spec(x=kind)
    assert coerce_form(task, [("x", "")]) == arguments
    assert field_errors(task, arguments) == []


def test_fields_keep_their_order_and_unknown_ones_are_kept_as_text_for_the_check() -> None:
    task = spec(b=int, a=str)
    found = coerce_form(task, [("z", "1"), ("a", "x"), ("b", "2"), ("z", "3")])
    assert found == {"z": ["1", "3"], "a": "x", "b": 2}
    assert list(found) == ["z", "a", "b"]
    assert [error.pointer for error in field_errors(task, found)] == ["/z"]


def test_no_fields_are_no_arguments() -> None:
    assert coerce_form(spec(a=(int, 1)), []) == {}
