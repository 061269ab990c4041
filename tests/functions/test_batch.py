"""``POST /jobs``: many at once, all or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.keys import Keys
from tests.functions.client import FORM, Api

SHORT = {"task": "examples.short_task"}


def test_all_jobs_come_back_in_their_order(api: Api, client: redis.Redis, keys: Keys) -> None:
    counts = [{"task": "examples.count_slowly", "arguments": {"to": number}} for number in range(1, 101)]
    reply = api.post("/jobs", {"jobs": counts})
    assert reply.status == 202 and reply.headers["retry-after"] == "1"
    jobs = reply.json["jobs"]
    assert [job["arguments"]["to"] for job in jobs] == list(range(1, 101))
    assert client.lrange(keys.queue("default"), 0, -1) == [job["id"].encode() for job in jobs]
    assert api.get(jobs[7]["links"]["self"]).json == jobs[7]


def test_options_of_an_entry_are_its_own(api: Api, client: redis.Redis, keys: Keys) -> None:
    entries = [
        SHORT,
        SHORT | {"queue": "other", "timeout": 7},
        SHORT | {"delay": 90.5},
        SHORT | {"delay": "5m", "timeout": "1m", "queue": None},
        SHORT | {"at": "2020-01-01T00:00:00Z", "arguments": {}},
    ]
    jobs = api.post("/jobs", {"jobs": entries}).json["jobs"]
    assert [job["queue"] for job in jobs] == ["default", "other", "default", "default", "default"]
    assert [job["status"] for job in jobs] == ["queued", "queued", "scheduled", "scheduled", "queued"]
    timeouts = [client.hget(keys.job(job["id"]), "timeout") for job in jobs]
    assert timeouts == [b"1800", b"7", b"1800", b"60", b"1800"]


def test_given_one_bad_entry_then_none_is_submitted(api: Api, adapter: QueueAdapter) -> None:
    reply = api.post("/jobs", {"jobs": [SHORT] * 99 + [{"task": "examples.nothing"}]})
    assert reply.is_problem(422, "invalid-arguments")
    assert list(reply.errors) == ["/jobs/99/task"]
    assert adapter.list().jobs == []


def test_every_error_of_every_entry_is_told(api: Api) -> None:
    entries: list[Any] = [
        SHORT,
        {"task": "examples.nothing", "dealy": 5},
        {"task": "examples.plan_trip", "arguments": {"start": {"city": ""}, "travellers": "two"}},
        {
            "task": "examples.count_slowly",
            "arguments": {"to": 0, "a/b": 1},
            "queue": "x",
            "timeout": True,
            "~/": 1,
        },
        {"task": 5, "arguments": []},
        "examples.short_task",
        {},
        SHORT | {"delay": float("1e9"), "at": "soon"},
        SHORT | {"delay": -1},
    ]
    reply = api.post("/jobs", {"jobs": entries})
    assert reply.is_problem(422, "invalid-arguments")
    assert set(reply.errors) == {
        "/jobs/1/task",
        "/jobs/1/dealy",
        "/jobs/2/arguments/start/city",
        "/jobs/2/arguments/travellers",
        "/jobs/3/arguments/to",
        "/jobs/3/arguments/a~1b",
        "/jobs/3/queue",
        "/jobs/3/timeout",
        "/jobs/3/~0~1",
        "/jobs/4/task",
        "/jobs/4/arguments",
        "/jobs/5",
        "/jobs/6/task",
        "/jobs/7/delay",
        "/jobs/7/at",
        "/jobs/8/delay",
    }
    assert "8 of 9 jobs" in reply.json["detail"]


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({}, {"/jobs"}),
        ({"jobs": []}, {"/jobs"}),
        ({"jobs": None}, {"/jobs"}),
        ({"jobs": {"task": "examples.short_task"}}, {"/jobs"}),
        ({"jobs": [SHORT], "queue": "other"}, {"/queue"}),
    ],
)
def test_a_body_that_is_no_batch_is_refused(api: Api, document: Any, pointers: set[str]) -> None:
    reply = api.post("/jobs", document)
    assert reply.is_problem(422, "invalid-arguments")
    assert set(reply.errors) == pointers


def test_a_batch_has_a_greatest_length(api: Api, change: Callable[..., None]) -> None:
    change(max_batch=3)
    assert api.post("/jobs", {"jobs": [SHORT] * 3}).status == 202
    reply = api.post("/jobs", {"jobs": [SHORT] * 4})
    assert reply.is_problem(422, "invalid-arguments")
    assert reply.errors == {"/jobs": "should be an array of 1 to 3 jobs"}


def test_a_flood_of_errors_is_cut(api: Api) -> None:
    entry = {"task": "examples.short_task", "arguments": {str(number): 1 for number in range(60)}}
    reply = api.post("/jobs", {"jobs": [entry] * 5})
    assert reply.is_problem(422, "invalid-arguments")
    assert len(reply.json["errors"]) == 100
    assert reply.json["detail"] == (
        "Not valid: at least 2 of 5 jobs; nothing was submitted. The first 100 errors are listed."
    )


@pytest.mark.parametrize("body", ["", "[]", "null"])
def test_a_batch_needs_a_json_object(api: Api, body: str) -> None:
    assert api.send("/jobs", body).is_problem(400, "invalid-json")


def test_a_batch_is_no_form(api: Api) -> None:
    assert api.send("/jobs", "jobs=1", FORM).is_problem(415, "unsupported-media-type")
