"""Every wrong field of the arguments is found, with its JSON Pointer, and no right one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, Union
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from coatcheck.catalog import TaskSpec
from coatcheck.errors import MAX_ERRORS, FieldError, InvalidArgumentsError
from coatcheck.schema import field_errors, validate
from tests.coatcheck.specs import Comfort, Level, model_of, spec, spec_of


class Stop(BaseModel):
    city: Annotated[str, Field(min_length=1, max_length=8)]
    nights: Annotated[int, Field(ge=1, le=30)] = 1


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool


class Node(BaseModel):
    value: int = 0
    children: list[Node] = []
    next: Node | None = None


Pet = Annotated[Union[Cat, Dog], Field(discriminator="kind")]  # noqa: UP007


def wrong(spec: TaskSpec, arguments: Any) -> dict[str, str]:
    """Pointer -> detail."""
    errors = field_errors(spec, arguments)
    found = {error.pointer: error.detail for error in errors}
    assert len(found) == len(errors), "each field once"
    return found


UUID_TEXT = "12345678-1234-5678-1234-567812345678"

WRONG: list[tuple[Any, Any, dict[str, str]]] = [
    # Types
    (int, "5", {"/x": "must be integer"}),
    (int, 1.5, {"/x": "must be integer"}),
    (int, True, {"/x": "must be integer"}),
    (int, None, {"/x": "must be integer"}),
    (float, "1.5", {"/x": "must be number"}),
    (bool, 1, {"/x": "must be boolean"}),
    (bool, "true", {"/x": "must be boolean"}),
    (str, 5, {"/x": "must be string"}),
    (str, None, {"/x": "must be string"}),
    (None, 0, {"/x": "must be null"}),
    (list[int], {"a": 1}, {"/x": "must be array"}),
    (dict[str, int], [1], {"/x": "must be object"}),
    (Stop, "Rome", {"/x": "must be object"}),
    # Choices
    (Comfort, "cosy", {"/x": 'must be one of "simple", "grand"'}),
    (Literal[1, "a", None], 2, {"/x": 'must be one of 1, "a", null'}),
    (Literal["a"], "b", {"/x": 'must be "a"'}),
    # Bounds
    (Annotated[int, Field(ge=1, le=9)], 0, {"/x": "must be at least 1"}),
    (Annotated[int, Field(ge=1, le=9)], 10, {"/x": "must be at most 9"}),
    (Annotated[list[int], Field(min_length=1)], [], {"/x": ""}),
    (Annotated[list[int], Field(max_length=1)], [1, 2], {"/x": ""}),
    (Annotated[float, Field(gt=0)], 0, {"/x": ""}),
    (Annotated[float, Field(lt=1)], 1.0, {"/x": ""}),
    (Annotated[int, Field(multiple_of=5)], 6, {"/x": ""}),
    (Annotated[str, Field(min_length=2)], "a", {"/x": ""}),
    (Annotated[str, Field(max_length=2)], "abc", {"/x": ""}),
    (Annotated[str, Field(pattern="^[a-z]+$")], "A", {"/x": ""}),
    (Annotated[str, Field(pattern="^[a-z]+$")], "a\n", {"/x": ""}),
    (set[int], [1, 1], {"/x": ""}),
    # Formats
    (date, "25.11.2026", {"/x": "must be date"}),
    (date, "2026-02-29", {"/x": "must be date"}),
    (date, "2026-11-25T10:00:00Z", {"/x": "must be date"}),
    (date, "2026-11-25\n", {"/x": "must be date"}),
    (datetime, "2026-11-25", {"/x": "must be date-time"}),
    (datetime, "2026-11-25T25:00:00Z", {"/x": "must be date-time"}),
    (datetime, "2026-13-25T10:00:00Z", {"/x": "must be date-time"}),
    (datetime, 1_700_000_000, {"/x": ""}),
    (time, "25:00:00", {"/x": "must be time"}),
    (UUID, "1234", {"/x": "must be uuid"}),
    (UUID, UUID_TEXT + "\n", {"/x": "must be uuid"}),
    (UUID, UUID_TEXT.replace("1", "g"), {"/x": "must be uuid"}),
    # Nested
    (Stop, {}, {"/x/city": "is required"}),
    (Stop, {"city": 5, "nights": 0}, {"/x/city": "must be string", "/x/nights": "must be at least 1"}),
    (Closed, {"name": "a", "b/c": 1, "d~": 2}, {"/x/b~1c": "is not known", "/x/d~0": "is not known"}),
    (list[int], [1, "a", 2, None], {"/x/1": "must be integer", "/x/3": "must be integer"}),
    (list[list[int]], [[], [1, "a"]], {"/x/1/1": "must be integer"}),
    (list[Stop], [{"city": "Rome"}, {"nights": 2}], {"/x/1/city": "is required"}),
    (dict[str, Stop], {"a": {"city": ""}}, {"/x/a/city": "must not be empty"}),
    (Node, {"children": [{}, {"children": [{"value": "x"}]}]}, {"/x/children/1/children/0/value": ""}),
    # Keys that look like parts of a path
    (
        dict[str, int],
        {"a.b": "", "c[0]": "", "d/e": "", "~f": "", "": "", "ü": "", '"': "", "{0}": "", "\n": "", "ok": 1},
        dict.fromkeys(
            ("/x/a.b", "/x/c[0]", "/x/d~1e", "/x/~0f", "/x/", "/x/ü", '/x/"', "/x/{0}", "/x/\n"),
            "must be integer",
        ),
    ),
    (dict[str, dict[str, int]], {"a.b": {"c]": ""}, "a": {"b": 1}}, {"/x/a.b/c]": "must be integer"}),
    (dict[str, dict[str, int]], {"a": {"b": ""}, "a.b": {"c": 1}}, {"/x/a/b": "must be integer"}),
    (dict[str, list[int]], {"a": [1, ""], "a[1]": []}, {"/x/a/1": "must be integer"}),
    (dict[str, Stop], {"s.t": {}}, {"/x/s.t/city": "is required"}),
    (dict[str, Closed], {"s[0]": {"name": "", ".": 1}}, {"/x/s[0]/.": "is not known"}),
    # Tuples
    (tuple[int, str], ["a", 1], {"/x/0": "must be integer", "/x/1": "must be string"}),
    (tuple[int, str], [1], {"/x": ""}),
    (tuple[int, str], [1, "a", 2], {"/x": ""}),
    (tuple[int, ...], [1, "a"], {"/x/1": "must be integer"}),
    # Alternatives
    (int | None, "a", {"/x": "must be integer or null"}),
    (date | None, 5, {"/x": "must be date or null"}),
    (int | str, [], {"/x": "must be integer or string"}),
    (Annotated[int, Field(ge=1)] | None, 0, {"/x": "must be at least 1"}),
    (Stop | None, 5, {"/x": "must be Stop or null"}),
    (Stop | None, {"city": 5}, {"/x/city": "must be string"}),
    (list[Stop | None], [None, {}], {"/x/1/city": "is required"}),
    (Cat | Dog, {}, {"/x": "must be Cat or Dog"}),
    (Pet, {"kind": "cat", "lives": "nine"}, {"/x/lives": "must be integer"}),
    (Pet, {"kind": "dog"}, {"/x/barks": "is required"}),
    (Pet, {"kind": "cow"}, {"/x": "must be Cat or Dog"}),
    (list[Pet], [{"kind": "dog", "barks": True}, 5], {"/x/1": "must be Cat or Dog"}),
    (list[int] | dict[str, int], {"a.b": ""}, {"/x/a.b": "must be integer"}),
    (tuple[int, str] | None, [1, 2], {"/x/1": "must be string"}),
    (Node, {"next": {"next": {"value": ""}}}, {"/x/next/next/value": "must be integer"}),
    (Comfort | None, "cosy", {"/x": 'must be one of "simple", "grand"'}),
]

RIGHT: list[tuple[Any, Any]] = [
    (int, 5),
    (int, -(2**70)),
    (int, 5.0),
    (float, 5),
    (float, 1e300),
    (str, ""),
    (str, "\0ü🚀"),
    (None, None),
    (Any, {"any": [1, None]}),
    (Comfort, "grand"),
    (Level, 2),
    (Literal[1, "a", None], None),
    (date, "2024-02-29"),
    (datetime, "2026-11-25T10:00:00Z"),
    (datetime, "2026-11-25T10:00:00.123456+02:00"),
    (time, "10:00:00"),
    (timedelta, "P1DT2H"),
    (Decimal, "1.50"),
    (UUID, UUID_TEXT),
    (UUID, UUID_TEXT.upper()),
    (UUID, UUID_TEXT.replace("-", "")),
    (bytes, "text"),
    (int | None, None),
    (tuple[int, str], [1, "a"]),
    (tuple[int, ...], []),
    (dict[int, str], {"1": "a"}),
    (dict[str, int], {"a.b": 1, "": 2}),
    (Stop, {"city": "Rome", "further": "members are taken"}),
    (Stop | None, None),
    (Pet, {"kind": "cat", "lives": 9}),
    (Node, {"children": [{"next": {"value": 1}}]}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), WRONG)
def test_a_wrong_value_is_told_at_its_place(kind: Any, value: Any, expected: dict[str, str]) -> None:
    found = wrong(spec(x=kind), {"x": value})
    assert found.keys() == expected.keys()
    assert all(found[pointer] == detail for pointer, detail in expected.items() if detail)
    assert all(detail.startswith(("must ", "is ")) for detail in found.values())


@pytest.mark.parametrize(("kind", "value"), RIGHT)
def test_a_right_value_passes(kind: Any, value: Any) -> None:
    assert wrong(spec(x=kind), {"x": value}) == {}


def test_all_that_is_wrong_is_told_at_once() -> None:
    given = {"stops": [{"city": "Rome", "nights": 99}, {}], "when": "soon", "extra": 1, "a/b": 2}
    task = spec(stops=list[Stop], when=date, who=str, level=(Level, Level.LOW))
    assert wrong(task, given) == {
        "/stops/0/nights": "must be at most 30",
        "/stops/1/city": "is required",
        "/when": "must be date",
        "/who": "is required",
        "/extra": "is not known",
        "/a~1b": "is not known",
    }


def test_every_missing_argument_is_told() -> None:
    assert wrong(spec(a=int, b=str, c=(int, 5)), {}) == {"/a": "is required", "/b": "is required"}


def test_a_task_without_arguments_takes_none() -> None:
    assert wrong(spec(), {}) == {}
    assert wrong(spec(), {"a": 1}) == {"/a": "is not known"}


def test_arguments_with_a_default_may_be_left_out_and_are_not_filled_in() -> None:
    given: dict[str, Any] = {}
    assert wrong(spec(a=(int, 5), b=(Stop | None, None)), given) == {}
    assert given == {}


def test_pointers_start_where_the_arguments_are() -> None:
    errors = field_errors(spec(a=int), {"b": 1}, "/jobs/3/arguments")
    assert {error.pointer for error in errors} == {"/jobs/3/arguments/a", "/jobs/3/arguments/b"}


def test_validate_raises_all_of_them_and_counts_them() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        validate(spec(a=int), {"b": 1}, "/prefix")
    assert caught.value.detail == "2 fields of the arguments of some.task are wrong."
    assert set(caught.value.errors) == {
        FieldError("/prefix/a", "is required"),
        FieldError("/prefix/b", "is not known"),
    }
    wrong = r"^1 field of the arguments of some.task is wrong\. /a is required$"
    with pytest.raises(InvalidArgumentsError, match=wrong):
        validate(spec(a=int), {})
    validate(spec(a=int), {"a": 1})


def test_a_field_may_be_called_like_a_word_of_json_schema() -> None:
    task = TaskSpec(
        "some.task",
        "",
        "",
        {
            "type": "object",
            "properties": {name: {"type": "integer"} for name in ("items", "prefixItems", "enum", "data")},
            "additionalProperties": False,
        },
    )
    assert wrong(task, {"items": "", "prefixItems": "", "enum": 1, "data": ""}) == {
        "/items": "must be integer",
        "/prefixItems": "must be integer",
        "/data": "must be integer",
    }


def test_a_tuple_whose_further_items_have_a_type_is_checked_to_its_end() -> None:
    pairs = {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}}
    task = TaskSpec("some.task", "", "", {"type": "object", "properties": {"x": pairs}})
    assert wrong(task, {"x": [1, "a", "b"]}) == {}
    assert wrong(task, {"x": ["1", "a", 2]}) == {"/x/0": "must be integer", "/x/2": "must be string"}


def test_deep_nesting_is_refused_or_taken_but_never_a_crash() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"children": [deep]}
    assert wrong(spec(x=Node), {"x": deep}) == {"": "is nested too deeply"}
    assert wrong(spec(x=Any), {"x": deep}) == {}


def test_very_many_wrong_fields_are_told_in_linear_time() -> None:
    """Quadratic time would be hours here; the test's own time limit would end it."""
    many = {f"key {number}": "" for number in range(20_000)}
    assert len(wrong(spec(x=dict[str, int]), {"x": many})) == MAX_ERRORS
    assert list(wrong(spec(x=dict[str, int]), {"x": {"." * 200_000: ""}})) == ["/x/" + "." * 200_000]


# What pydantic accepts and writes is never refused here


class Wide(BaseModel):
    whole: int
    real: float
    text: str
    truth: bool
    nothing: None
    day: date
    moment: AwareDatetime
    duration: timedelta
    identity: UUID
    comfort: Comfort
    level: Level
    choice: Literal["a", 1, None]
    amount: Decimal
    numbers: list[int]
    unique: set[str]
    pair: tuple[int, str]
    many: tuple[float, ...]
    table: dict[str, int]
    by_number: dict[int, bool]
    maybe: date | None
    either: int | str | list[int]
    pet: Pet
    stop: Stop


class Recursive(BaseModel):
    value: int
    table: dict[str, Recursive]
    children: list[Recursive]
    next: Recursive | None


texts = st.text(st.characters(codec="utf-8"), max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
stops = st.builds(Stop, city=st.text("abc", min_size=1, max_size=8), nights=st.integers(1, 30))
pets = st.builds(Cat, kind=st.just("cat")) | st.builds(Dog, kind=st.just("dog"))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.builds(lambda moment, zone: moment.replace(tzinfo=zone), st.datetimes(), zones)
wide = st.builds(
    Wide,
    real=numbers,
    text=texts,
    moment=moments,
    day=st.dates(),
    duration=st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)),
    # Without an exponent: pydantic 2.13 writes 1E-7, but its own schema does not take that.
    amount=st.decimals(-1_000_000, 1_000_000, places=3),
    unique=st.sets(texts),
    pair=st.tuples(st.integers(), texts),
    many=st.lists(numbers, max_size=3).map(tuple),
    table=st.dictionaries(texts, st.integers()),
    by_number=st.dictionaries(st.integers(), st.booleans()),
    maybe=st.none() | st.dates(),
    either=st.integers() | texts | st.lists(st.integers()),
    pet=pets,
    stop=stops,
)
recursive = st.recursive(
    st.builds(Recursive, table=st.just({}), children=st.just([]), next=st.none()),
    lambda inner: st.builds(
        Recursive,
        table=st.dictionaries(texts, inner, max_size=2),
        children=st.lists(inner, max_size=2),
        next=st.none() | inner,
    ),
    max_leaves=5,
)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
WIDE_MODEL, RECURSIVE_MODEL = model_of(x=Wide), model_of(x=Recursive)


@quick
@given(wide)
def test_what_pydantic_writes_of_a_wide_model_passes(value: Wide) -> None:
    given_json = json.loads(WIDE_MODEL(x=value).model_dump_json())
    assert wrong(spec_of(WIDE_MODEL), given_json) == {}
    WIDE_MODEL.model_validate_json(json.dumps(given_json))


@quick
@given(recursive)
def test_what_pydantic_writes_of_a_recursive_model_passes(value: Recursive) -> None:
    assert wrong(spec_of(RECURSIVE_MODEL), json.loads(RECURSIVE_MODEL(x=value).model_dump_json())) == {}


@quick
@given(recursive, st.data())
def test_one_wrong_leaf_anywhere_is_told_at_exactly_its_place(value: Recursive, data: st.DataObject) -> None:
    document = json.loads(RECURSIVE_MODEL(x=value).model_dump_json())
    pointer, node = "/x", document["x"]
    while True:
        steps: list[tuple[str, Any]] = [(f"/children/{n}", kid) for n, kid in enumerate(node["children"])]
        for key, kid in node["table"].items():
            steps.append(("/table/" + key.replace("~", "~0").replace("/", "~1"), kid))
        if node["next"] is not None:
            steps.append(("/next", node["next"]))
        step = data.draw(st.sampled_from([None, *steps]))
        if step is None:
            break
        pointer, node = pointer + step[0], step[1]
    node["value"] = "wrong"
    assert wrong(spec_of(RECURSIVE_MODEL), document) == {f"{pointer}/value": "must be integer"}


@pytest.mark.parametrize(
    ("items", "value"),
    [
        ({"type": "integer"}, "x"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x"),
        ({"$ref": "#/$defs/City"}, {"zip": 1}),
        ({"type": "object", "additionalProperties": False}, {str(number): 1 for number in range(200)}),
    ],
)
def test_no_more_than_a_hundred_errors_are_looked_for(items: dict[str, Any], value: Any) -> None:
    city = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema = {"type": "object", "properties": {"x": {"type": "array", "items": items}}}
    task = TaskSpec("some.task", "Task", "", {**schema, "$defs": {"City": city}})
    looked_at = 0

    class Counted(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            nonlocal looked_at
            for item in super().__iter__():
                looked_at += 1
                yield item

    with pytest.raises(InvalidArgumentsError) as caught:
        validate(task, {"x": Counted([value] * 10_000)})
    assert len(caught.value.errors) == MAX_ERRORS
    assert caught.value.detail.startswith("At least 100 fields")
    assert looked_at <= MAX_ERRORS
