"""The stub that ``coatcheck client --stubs`` writes, as mypy reads it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from infra.errors import StartError
from infra.remote.stubs import text
from tests.client.fake_files import FILE_SCHEMA
from tests.client.test_typing import checked, shipped_stub

GOOD = """\
from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, assert_type

from coatcheck.client import AsyncClient, AsyncTicket, Client, Order, Ticket

if TYPE_CHECKING:
    from tasks import AsyncTasks, ExamplesPlanTripResult, ExamplesPlanTripStop, Tasks


def blocking(client: Client[Tasks]) -> None:
    examples = client.tasks.examples
    assert_type(examples.count_slowly(), Ticket[int])
    assert_type(examples.count_slowly.with_options(delay="5m")(to=3, pause=0.5).result(timeout=3), int)
    assert_type(examples.task_raises_error().result(), None)
    stop: ExamplesPlanTripStop = {"city": "Bonn"}
    trip = examples.plan_trip(
        start=stop,
        travellers=2,
        comfort="grand",
        leaves=datetime.date(2027, 1, 1),
        further_stops=[{"city": "Ulm", "nights": 2}],
    )
    assert_type(trip.result(), ExamplesPlanTripResult)
    assert_type(trip.result()["leaves"], str | None)
    assert_type(examples.count_slowly.as_order(to=1), Order[int])


async def asynchronous(client: AsyncClient[AsyncTasks]) -> None:
    assert_type(await client.tasks.examples.count_slowly(to=3), AsyncTicket[int])
    async for ticket in client.as_completed(
        await client.submit_many(client.tasks.examples.count_slowly.as_order(to=n) for n in range(3))
    ):
        assert_type(await ticket.result(), int)
"""
WRONG = """\
from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.client import Client

if TYPE_CHECKING:
    from tasks import Tasks


def wrong(client: Client[Tasks]) -> None:
    client.tasks.examples.count_slowly(to="many")
    client.tasks.examples.count_slowly(steps=3)
    client.tasks.examples.plan_trip(travellers=1)
    client.tasks.examples.plan_trip(start={"town": "Bonn"}, travellers=1)
    client.tasks.examples.plan_trip(start={"city": "Bonn"}, travellers=1, comfort="plush")
    client.tasks.examples.nothing()
    client.tasks.nothing.short_task()
"""
FILES = """\
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from coatcheck.client import AsyncClient, AsyncRemoteFile, Client, RemoteFile

if TYPE_CHECKING:
    from tasks import AsyncTasks, Tasks


def blocking(client: Client[Tasks], path: Path) -> None:
    plot = client.tasks.files.plot
    plot(table=b"a,b")
    with path.open("rb") as file:
        plot(table=file, more=[path])
    drawn = plot(table=client.upload("sales.csv", on_progress=lambda sent, size: None)).result()
    assert_type(drawn["plot"], RemoteFile)
    assert_type(drawn["plot"].save("plot.svg"), Path)
    assert_type(drawn["rows"], int)


async def asynchronous(client: AsyncClient[AsyncTasks]) -> None:
    drawn = await (await client.tasks.files.plot(table=await client.upload(b"a,b"))).result()
    assert_type(drawn["plot"], AsyncRemoteFile)
    async for chunk in drawn["plot"].stream():
        assert_type(chunk, bytes)


def wrong(client: Client[Tasks]) -> None:
    client.tasks.files.plot(table="sales.csv")
"""
DEFINITIONS: dict[str, Any] = {
    "Node": {
        "type": "object",
        "properties": {
            "value": {"type": "integer"},
            "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
            "a-b": {"type": "string"},
            "class": {"type": "string"},
        },
        "required": ["value", "a-b"],
    },
    "Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
    "Weird name[int]": {"type": "object", "properties": {"x": {"$ref": "#/$defs/Tree"}}},
}
LEAVES = [
    {},
    {"type": "string"},
    {"type": "string", "format": "date-time"},
    {"type": "integer"},
    {"type": ["integer", "null"]},
    {"type": "boolean"},
    {"enum": ["a", 'b"\\', 3, None, 1.5, True]},
    {"enum": [1.5]},
    {"const": "it's"},
    {"type": "object"},
    {"type": "object", "properties": {}},
    FILE_SCHEMA,
    *({"$ref": f"#/$defs/{name}"} for name in DEFINITIONS),
]


def combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Schemas made of others."""
    names = st.sampled_from(["a", "class", "a-b", "0", "_", "ü", "self"])
    return st.one_of(
        inner.map(lambda item: {"type": "array", "items": item}),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: {"type": "array", "prefixItems": items}),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        inner.map(lambda item: {"type": "object", "additionalProperties": item}),
        st.dictionaries(names, inner, max_size=3).map(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties)[:1],
            }
        ),
    )


SCHEMAS = st.recursive(st.sampled_from(LEAVES), combined, max_leaves=5)
SAYINGS = st.sampled_from(["", "Says.", 'Ends "so"', 'Quotes """ three', "back\\slash\\", "two\n\nparts"])
NAMES = st.sampled_from(["a", "self", "from_", "alias-ed", "class", "größe", "with_options", "as_order"])


def task(name: str, properties: dict[str, Any], result: Any, description: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties)[:1],
        "$defs": DEFINITIONS,
    }
    result = {**result, "$defs": DEFINITIONS}
    return {"name": name, "description": description, "schema": schema, "result": result}


def test_the_tasks_are_known_exactly_and_each_mistake_is_found(tmp_path: Path) -> None:
    (tmp_path / "tasks.pyi").write_text(shipped_stub())
    said = checked(tmp_path, good=GOOD, wrong=WRONG)
    first = WRONG.splitlines().index("def wrong(client: Client[Tasks]) -> None:") + 2
    places = dict.fromkeys(line.split(" ")[0] for line in said.splitlines()[:-1])
    assert list(places) == [f"wrong.py:{line}:" for line in range(first, first + 7)], said


def test_files_are_taken_in_any_shape_and_come_as_the_clients_own(tmp_path: Path) -> None:
    plot = task("files.plot", {"table": FILE_SCHEMA, "more": {"type": "array", "items": FILE_SCHEMA}}, {}, "")
    drawn = {"plot": FILE_SCHEMA, "rows": {"type": "integer"}}
    plot["result"] = {"type": "object", "properties": drawn, "required": list(drawn)}
    (tmp_path / "tasks.pyi").write_text(text([plot]))
    said = checked(tmp_path, files=FILES)
    assert [line.split(": error:")[0] for line in said.splitlines()[:-1]] == [
        f"files.py:{len(FILES.splitlines())}"
    ], said


@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(made=st.lists(st.tuples(st.dictionaries(NAMES, SCHEMAS, max_size=4), SCHEMAS, SAYINGS), min_size=40))
def test_whatever_tasks_take_the_stub_is_sound(tmp_path: Path, made: Any) -> None:
    modules = itertools.cycle(["m.{}", "m.n.{}", "deep.er.{}", "m.n_{}", "self.{}"])
    names = ["m.with_options", "m.n.as_order", "m.self", "t.T", "t.t"]
    names += [
        module.format(f"task{number}") for module, number in zip(modules, range(len(made)), strict=False)
    ]
    tasks = [task(name, *rest) for name, rest in zip(names, made, strict=False)]
    (tmp_path / "tasks.pyi").write_text(text(tasks))
    said = checked(tmp_path, use="from tasks import AsyncTasks, Tasks\n\nprint(AsyncTasks, Tasks)\n")
    assert said == "Success: no issues found in 1 source file\n", (tmp_path / "tasks.pyi").read_text()


@pytest.mark.parametrize("name", ["a.b: int\nimport os\nc", "a.{suffix}", "a..b", "", "a b", 'a"""'])
def test_no_code_comes_in_by_a_tasks_name(name: str) -> None:
    task = {"name": name, "description": "", "schema": {}, "result": {}}
    with pytest.raises(StartError, match="no name of one"):
        text([task])
