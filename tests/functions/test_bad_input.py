"""Whatever a client may get wrong is answered with a documented problem, never with a 500."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from app import app
from chalicelib import context as contexts
from chalicelib.context import Context
from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog, TaskSpec
from coatcheck.settings import Settings
from tests.functions.client import FORM, Api

COUNT = "/tasks/examples.count_slowly"
ANYTHING = TaskSpec(
    name="free.form",
    title="Free form",
    description="",
    schema={
        "type": "object",
        "properties": {"x": {"type": "number"}, "any": {}, "data": {"type": "object"}},
        "additionalProperties": False,
    },
)


@pytest.fixture
def free(settings: Settings, adapter: QueueAdapter) -> Iterator[Api]:
    """The app with a task that takes anything."""
    contexts.use(Context(settings, Catalog((ANYTHING,)), adapter))
    yield Api()
    contexts.use(None)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", ["examples.nothing", "short_task", "os.system", "..%2Fsecret", "%00"])
def test_an_unknown_task(api: Api, method: str, name: str) -> None:
    assert api.request(method, f"/tasks/{name}", "{}").is_problem(404, "unknown-task")


def test_an_unknown_field_and_a_wrong_type_and_a_missing_field_are_all_named(api: Api) -> None:
    trip = {
        "start": {"city": "", "nihgts": 1},
        "comfort": "plush",
        "leaves": "soon",
        "further_stops": [{}],
        "x/y~": 1,
    }
    reply = api.post("/tasks/examples.plan_trip", trip)
    assert reply.is_problem(422, "invalid-arguments")
    assert set(reply.errors) >= {
        "/travellers", "/start/city", "/comfort", "/leaves", "/further_stops/0/city", "/x~1y~0"
    }  # fmt: skip


@pytest.mark.parametrize("value", ["3", 2.5, None, True, [], {}])
def test_a_wrong_type(api: Api, value: object) -> None:
    reply = api.post(COUNT, {"to": value})
    assert reply.is_problem(422, "invalid-arguments")
    assert list(reply.errors) == ["/to"]


def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read(api: Api) -> None:
    limit = 1024 * 1024
    at_limit = '{"to": 3}'.ljust(limit)
    assert api.send(COUNT, at_limit).status == 202
    reply = api.send(COUNT, at_limit + " ")
    assert reply.is_problem(413, "payload-too-large")
    assert str(limit) in reply.json["detail"]


@pytest.mark.parametrize("path", [COUNT, "/jobs", "/_run_task"])
def test_the_limit_counts_bytes_on_every_way_in(api: Api, change: Callable[..., None], path: str) -> None:
    change(max_body=2000)
    text = "task=" + "ä" * 1500
    assert len(text) < 2000 < len(text.encode())
    assert api.send(path, text, FORM).is_problem(413, "payload-too-large")


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "{'to': 3}",
        '{"to": 3,}',
        '{"to": 3} x',
        '{"to": NaN}',
        '{"to": Infinity}',
        '{"to": -Infinity}',
        '{"to": 1e999}',
        '{"to": 3, "to": 4}',
        '{"a": {"to": 3, "to": 4}}',
        '{"to": ' + "9" * 5000 + "}",
        '{"a": "\\ud800"}',
        '{"\\udfff": 1}',
        "\ufeff{}",
        '{"a": "\n"}',
        "null",
        "[]",
        "[1]",
        '"text"',
        "5",
        " ",
        b'{"a": "\xff"}',
        "{}".encode("utf-16"),
    ],
)
def test_a_body_that_is_no_json_object(api: Api, body: bytes | str) -> None:
    assert api.send(COUNT, body).is_problem(400, "invalid-json")


def test_a_json_error_tells_its_place(api: Api) -> None:
    assert "line 2, column 7" in api.send(COUNT, '{"to":\n  "3" "4"}').json["detail"]


def test_a_pair_of_surrogates_is_one_character(free: Api) -> None:
    assert free.send("/tasks/free.form", '{"any": "\\ud83d\\ude80"}').json["arguments"] == {
        "any": "\N{ROCKET}"
    }


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [64, 100_000])
def test_a_body_nested_too_deep(free: Api, opening: str, depth: int) -> None:
    reply = free.send("/tasks/free.form", '{"any": ' + opening * depth)
    assert reply.is_problem(400, "invalid-json")
    closing = "]" if opening == "[" else "}"
    body = '{"any": ' + opening * depth + "1" + closing * depth + "}"
    reply = free.send("/tasks/free.form", body)
    assert reply.is_problem(400, "invalid-json")
    assert "64 levels" in reply.json["detail"]


def test_a_body_nested_as_deep_as_allowed(free: Api) -> None:
    deep = "[" * 63 + "1" + "]" * 63
    assert free.send("/tasks/free.form", f'{{"any": {deep}, "data": {{}}}}').status == 202


def test_many_brackets_side_by_side_are_not_deep(free: Api) -> None:
    assert free.post("/tasks/free.form", {"any": [[]] * 1000}).status == 202


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/html", "multipart/form-data; boundary=x", "application/xml", "json", "+json"],
)
@pytest.mark.parametrize("path", [COUNT, "/jobs", "/_run_task"])
def test_a_wrong_content_type(api: Api, path: str, content_type: str) -> None:
    assert api.send(path, "{}", content_type).is_problem(415, "unsupported-media-type")


def test_json_sent_as_a_form_as_curl_does_by_default(api: Api) -> None:
    reply = api.send(COUNT, '{"to": 3}', FORM)
    assert reply.is_problem(415, "unsupported-media-type")
    assert "application/json" in reply.json["detail"]


@pytest.mark.parametrize("body", [b"to=%ff", b"to=\xff", b"&".join([b"to=1"] * 10_001)])
def test_a_form_that_can_t_be_read(api: Api, body: bytes) -> None:
    assert api.send(COUNT, body, FORM).is_problem(400, "invalid-request")


@pytest.mark.parametrize(
    "body",
    [
        "x=nan",
        "x=inf",
        "x=1e999",
        "x=1_0",
        "data={%22a%22:NaN}",
        "data=" + "[" * 100_000,
        "data=[]",
        "x=1&x=2",
    ],
)
def test_a_form_with_a_value_that_json_does_not_know_or_the_schema_does_not_take(
    free: Api, body: str
) -> None:
    assert free.send("/tasks/free.form", body, FORM).is_problem(422, "invalid-arguments")


@pytest.mark.parametrize("inner", ["[" * 70 + "]" * 70, '"\\ud800"'])
def test_json_inside_a_form_is_read_as_strictly(free: Api, inner: str) -> None:
    reply = free.send("/tasks/free.form", "data=" + quote(f'{{"a":{inner}}}'), FORM)
    assert reply.status in (400, 422), reply


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/tasks", "GET"),
        ("/jobs", "GET, POST"),
        ("/jobs/x", "DELETE, GET"),
        ("/", "GET"),
        ("/_run_task", "POST"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_unknown_method(api: Api, method: str, path: str, allowed: str) -> None:
    reply = api.request(method, path)
    assert reply.is_problem(405, "method-not-allowed")
    assert reply.headers["allow"] == allowed


def test_every_known_path_refuses_every_other_method(api: Api) -> None:
    for path, methods in app.routes.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"} - set(methods):
            assert api.request(method, path).status == 405, (method, path)
