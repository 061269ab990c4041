"""Forms made from JSON Schemas, in a real browser: what is filled in is what is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import DESKTOP, PHONE, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator, Page

Schema = dict[str, Any]
MOMENT = "2026-06-01T12:30:05+02:00"

MAKE = """async ({schema, initial}) => {
  const { SchemaForm } = await import(new URL("static/form.js", document.baseURI).href);
  globalThis.form = new SchemaForm(schema, initial);
  document.querySelector("main:not([hidden])").replaceChildren(globalThis.form.element);
}"""


class Form:
    """One form on an otherwise empty page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def make(self, properties: dict[str, Schema], initial: Any = None, **schema: Any) -> None:
        document = {"type": "object", "properties": properties, "additionalProperties": False, **schema}
        self.page.evaluate(MAKE, {"schema": document, "initial": initial or {}})

    def read(self) -> dict[str, Any]:
        """``{"value", "errors"}``."""
        answer: dict[str, Any] = json.loads(self.page.evaluate("JSON.stringify(globalThis.form.read())"))
        return answer

    def value(self) -> Any:
        answer = self.read()
        assert answer["errors"] == []
        return answer["value"]

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(label, exact=True)


@pytest.fixture(scope="module")
def form(browser: Browser, live_url: str) -> Iterator[Form]:
    """One page for all tests: each makes a form of its own."""
    with opened(browser, live_url, DESKTOP) as desk:
        desk.open()
        yield Form(desk.page)


@pytest.mark.parametrize(
    ("schema", "typed", "sent"),
    [
        ({"type": "string"}, "", ""),
        ({"type": "string"}, " <b>spaces</b> ", " <b>spaces</b> "),
        ({"type": "string", "maxLength": 4000}, "two\nlines", "two\nlines"),
        ({"type": "integer"}, "-42", -42),
        ({"type": "number"}, "0.1", 0.1),
        ({"type": "number"}, "1e-7", 1e-7),
        ({"type": "string", "format": "date"}, "2026-02-28", "2026-02-28"),
        ({"type": "string", "format": "time"}, "23:59:58", "23:59:58"),
        ({"type": "string", "format": "duration"}, "PT5M", "PT5M"),
        ({"type": "string", "format": "email"}, "a@b.example", "a@b.example"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "", None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "7", 7),
        ({"type": ["string", "null"]}, "", None),
        ({}, '{"any": [1, "thing"]}', {"any": [1, "thing"]}),
        ({"type": "object", "additionalProperties": True}, '{"a": 1}', {"a": 1}),
        ({"anyOf": [{"type": "integer"}, {}]}, '"five"', "five"),
        ({"type": "array", "prefixItems": [{"type": "integer"}]}, "[1]", [1]),
        ({"type": "integer"}, "9007199254740993", 9007199254740993),
    ],
)
def test_a_typed_value_is_sent_as_json(form: Form, schema: Schema, typed: str, sent: Any) -> None:
    form.make({"value": schema}, required=["value"])
    form.field("Value").or_(form.page.get_by_label("Value optional")).fill(typed)
    assert form.value() == {"value": sent}


def test_a_moment_is_typed_in_local_time_and_sent_in_utc(form: Form) -> None:
    form.make({"at": {"type": "string", "format": "date-time"}}, required=["at"])
    form.field("At").fill("2026-06-01T12:30:00")
    expected = form.page.evaluate("new Date(2026, 5, 1, 12, 30).toISOString()")
    assert form.value() == {"at": expected}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "default": "x"}, "x"),
        ({"type": "integer", "default": 0}, 0),
        ({"type": "boolean", "default": True}, True),
        ({"type": "boolean", "default": False}, False),
        ({"enum": ["a", "b"], "default": "b"}, "b"),
        ({"enum": [1, 2, 3, 4, 5, 6], "default": 4}, 4),
        ({"const": "only", "default": "only"}, "only"),
        ({"type": "string", "format": "date-time", "default": MOMENT}, MOMENT),
        ({"type": "array", "items": {"type": "string"}, "default": ["a", "b"]}, ["a", "b"]),
        ({"type": "object", "properties": {"a": {"type": "integer"}}, "default": {"a": 3}}, {"a": 3}),
        ({"default": {"free": None}}, {"free": None}),
    ],
)
def test_a_default_is_filled_in(form: Form, schema: Schema, value: Any) -> None:
    form.make({"value": schema})
    assert form.value() == {"value": value}


def test_what_is_optional_and_empty_is_left_out(form: Form) -> None:
    null = {"type": "null"}
    model = {"type": "object", "properties": {"a": {"type": "string"}}}
    form.make(
        {
            "text": {"anyOf": [{"type": "string"}, null], "default": None},
            "day": {"anyOf": [{"type": "string", "format": "date"}, null], "default": None},
            "flag": {"anyOf": [{"type": "boolean"}, null], "default": None},
            "choice": {"anyOf": [{"enum": ["a", "b"]}, null], "default": None},
            "model": {"anyOf": [model, null], "default": None},
            "list": {"anyOf": [{"type": "array", "items": {"type": "string"}}, null], "default": None},
        }
    )
    assert form.value() == {}


def test_null_is_sent_where_the_default_is_something_else(form: Form) -> None:
    form.make({"value": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": 5}})
    form.page.get_by_label("Value").fill("")
    assert form.value() == {"value": None}


def test_references_nested_models_and_lists(form: Form) -> None:
    form.make(
        {
            "home": {"$ref": "#/$defs/Place"},
            "ways": {"type": "array", "items": {"$ref": "#/$defs/Place"}, "default": []},
        },
        required=["home"],
        **{
            "$defs": {
                "Place": {
                    "type": "object",
                    "title": "Place",
                    "properties": {
                        "city": {"type": "string", "title": "City"},
                        "kind": {"$ref": "#/$defs/Kind"},
                    },
                    "required": ["city", "kind"],
                },
                "Kind": {"enum": ["big", "small"], "type": "string", "title": "Kind"},
            }
        },
    )
    form.page.get_by_role("group", name="Home").get_by_label("City").fill("Bern")
    form.page.get_by_role("group", name="Home").get_by_label("small").check()
    for city in ("Rome", "Oslo", "Riga"):
        form.page.get_by_role("button", name="Add entry").click()
        form.page.keyboard.type(city)  # the focus is in the new row
    for row in form.page.get_by_role("listitem").all():
        row.get_by_label("big").check()
    form.page.get_by_role("listitem").nth(1).get_by_role("button", name="Remove").click()
    assert form.value() == {
        "home": {"city": "Bern", "kind": "small"},
        "ways": [{"city": "Rome", "kind": "big"}, {"city": "Riga", "kind": "big"}],
    }


CARD = {
    "type": "object",
    "title": "Card",
    "properties": {"kind": {"const": "card"}, "number": {"type": "string"}},
    "required": ["kind", "number"],
}
CARD_VALUE = {"kind": "card", "number": "1"}
CASH = {
    "type": "object",
    "title": "Cash",
    "properties": {"kind": {"const": "cash"}, "coins": {"type": "integer"}},
    "required": ["kind", "coins"],
}


def test_a_union_is_a_choice_of_kinds(form: Form) -> None:
    form.make({"pay": {"oneOf": [CARD, CASH]}}, required=["pay"])
    form.page.get_by_label("Kind of Pay").select_option("Cash")
    form.page.get_by_label("Coins").fill("7")
    assert form.value() == {"pay": {"kind": "cash", "coins": 7}}
    form.page.get_by_label("Kind of Pay").select_option("Card")
    form.field("Number").fill("4711")
    assert form.value() == {"pay": {"kind": "card", "number": "4711"}}


def test_a_form_of_groups_fits_a_phone(form: Form) -> None:
    form.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    form.make(
        {
            "pay": {"oneOf": [CARD, CASH]},
            "maybe": {"anyOf": [CARD, {"type": "null"}], "default": CARD_VALUE},
            "sizes": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {"a": 1}},
            "rows": {"type": "array", "items": CASH, "default": [{"kind": "cash", "coins": 1}]},
        },
        required=["pay"],
        initial={"maybe": CARD_VALUE},
    )
    width = form.page.evaluate("document.documentElement.scrollWidth")
    form.page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    assert width <= PHONE[0]


def test_a_union_starts_with_the_kind_of_its_value(form: Form) -> None:
    value = {"pay": {"kind": "cash", "coins": 3}, "size": "large"}
    size = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    form.make({"pay": {"oneOf": [CARD, CASH]}, "size": size}, initial=value)
    assert form.value() == value


def test_names_and_values(form: Form) -> None:
    form.make({"sizes": {"type": "object", "additionalProperties": {"type": "integer"}, "default": {"a": 1}}})
    form.page.get_by_role("button", name="Add entry").click()
    form.page.keyboard.type("b")
    form.field("Value").last.fill("2")
    assert form.value() == {"sizes": {"a": 1, "b": 2}}
    form.field("Name").last.fill("a")
    assert form.read()["errors"] == [{"pointer": "/sizes", "detail": 'Two entries are named "a".'}]


def test_what_nobody_touched_is_sent_as_it_came(form: Form) -> None:
    value = {"at": "2026-06-01T12:30:05.123456+02:00", "text": "a\r\nb"}
    form.make(
        {
            "at": {"type": "string", "format": "date-time"},
            "text": {"type": "string"},
        },
        initial=value,
        required=["at", "text"],
    )
    assert form.value()["at"] == value["at"]
    assert form.value()["text"] == value["text"]
    form.field("At").fill("2026-06-01T12:30:06")
    assert form.value()["at"].endswith(":06.000Z")


def test_a_model_that_contains_itself_ends(form: Form) -> None:
    node = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None},
        },
        "required": ["name"],
    }
    form.make({"root": {"$ref": "#/$defs/Node"}}, required=["root"], **{"$defs": {"Node": node}})
    form.field("Name").fill("one")
    form.page.get_by_role("checkbox", name="Next").check()
    form.field("Name").nth(1).fill("two")
    assert form.value() == {"root": {"name": "one", "next": {"name": "two"}}}


def test_initial_values_win_over_defaults(form: Form) -> None:
    properties: dict[str, Schema] = {
        "number": {"type": "integer", "default": 1},
        "model": {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}},
        "rows": {"type": "array", "items": {"type": "integer"}, "default": []},
    }
    values = {"number": 5, "model": {"a": "y"}, "rows": [3, 4]}
    form.make(properties, initial=values)
    assert form.value() == values


@pytest.mark.parametrize(
    ("schema", "typed", "detail"),
    [
        ({"type": "integer"}, "", "needs a value"),
        ({"type": "string", "minLength": 1}, "", "needs a value"),
        ({"type": "string", "format": "date"}, "", "needs a value"),
        ({}, "{not json", "not JSON"),
    ],
)
def test_what_cannot_be_made_json_of_is_told_at_its_pointer(
    form: Form, schema: Schema, typed: str, detail: str
) -> None:
    form.make({"a/b": schema}, required=["a/b"])
    form.page.locator("input, textarea").fill(typed)
    answer = form.read()
    assert answer["value"] == {}
    assert [error["pointer"] for error in answer["errors"]] == ["/a~1b"]
    assert detail in answer["errors"][0]["detail"]


def test_errors_stand_at_their_fields_in_the_order_of_the_form(form: Form) -> None:
    form.make(
        {
            "first": {"type": "string"},
            "rows": {"type": "array", "items": {"type": "string"}, "default": ["a", "b"]},
        },
        required=["first"],
    )
    form.read()
    shown = form.page.evaluate(
        """errors => globalThis.form.showErrors(errors)
             .map(({field, text}) => [field?.label ?? null, text])""",
        [
            {"pointer": "/elsewhere", "detail": "lost"},
            {"pointer": "/rows/1", "detail": "bad row"},
            {"pointer": "/first", "detail": "too short"},
            {"pointer": "/first", "detail": "ugly"},
        ],
    )
    assert shown == [["First", "too short; ugly"], ["Entry", "bad row"], [None, "lost"]]
    invalid = form.page.locator("[aria-invalid=true]")
    assert invalid.count() == 2
    assert form.page.get_by_role("listitem").nth(1).get_by_text("bad row").is_visible()
    form.read()
    assert invalid.count() == 0
