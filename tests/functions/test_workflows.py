"""``after``, refs, ``$result`` and ``/batches`` over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck.adapter import QueueAdapter
from coatcheck.job import new_job_id
from tests.functions.client import FORM, Api

SHORT = {"task": "examples.short_task"}
COUNT = "examples.count_slowly"


def submitted(api: Api, *entries: Any, **headers: str) -> list[Any]:
    reply = api.post("/jobs", {"jobs": list(entries)}, **headers)
    assert reply.status == 202, reply
    jobs: list[Any] = reply.json["jobs"]
    return jobs


def test_a_job_waits_for_another(api: Api) -> None:
    first = api.post("/tasks/examples.short_task").json
    job = api.post(f"/tasks/examples.short_task?after={first['id']}&if_failed=run").json
    assert (job["status"], job["after"], job["if_failed"]) == ("deferred", [first["id"]], "run")
    assert api.get(job["links"]["self"]).json == job
    assert (first["after"], first["if_failed"], first["batch"], first["parent"]) == ([], None, None, None)


@pytest.mark.parametrize("query", ["after={},{}", "after={}&after={}", "after={}&after=,{},"])
def test_a_job_waits_for_several(api: Api, query: str) -> None:
    ids = [api.post("/tasks/examples.short_task").json["id"] for _ in range(2)]
    job = api.post(f"/tasks/examples.short_task?{query.format(*ids)}").json
    assert job["after"] == ids and job["if_failed"] == "cancel"


def test_only_after_may_be_repeated(api: Api) -> None:
    reply = api.post("/tasks/examples.short_task?if_failed=run&if_failed=run")
    assert reply.is_problem(400, "invalid-request") and list(reply.errors) == ["?if_failed"]
    job = api.post("/tasks/examples.short_task").json
    reply = api.get(f"{job['links']['log']}?after=1-1&after=1-1")
    assert reply.is_problem(400, "invalid-request") and list(reply.errors) == ["?after"]


def test_what_becomes_of_it_is_one_of_two_things(api: Api) -> None:
    reply = api.post("/tasks/examples.short_task?if_failed=retry")
    assert reply.is_problem(400, "invalid-request")
    assert reply.errors == {"?if_failed": "should be one of cancel, run"}


def test_a_job_that_is_not_there_is_told_where_it_is_named(api: Api, adapter: QueueAdapter) -> None:
    missing = new_job_id()
    reply = api.post(f"/tasks/{COUNT}?after={missing}")
    assert reply.is_problem(422, "invalid-arguments") and list(reply.errors) == ["?after"]
    reply = api.post(f"/tasks/{COUNT}", {"to": {"$result": missing, "pointer": "/n"}})
    assert reply.is_problem(422, "invalid-arguments") and list(reply.errors) == ["/to/$result"]
    entry = {"task": COUNT, "after": [missing], "arguments": {"to": {"$result": missing}}}
    reply = api.post("/jobs", {"jobs": [SHORT, entry]})
    assert reply.is_problem(422, "invalid-arguments")
    assert list(reply.errors) == ["/jobs/1/after/0", "/jobs/1/arguments/to/$result"]
    assert adapter.list().jobs == []


def test_names_that_are_none_are_refused_before_anything_is_looked_up(api: Api) -> None:
    reply = api.post(f"/tasks/{COUNT}?after=first", {"to": {"$result": "second"}})
    assert reply.is_problem(422, "invalid-arguments")
    assert reply.errors == dict.fromkeys(["?after", "/to/$result"], "is no id of a job")


def test_a_diamond_is_submitted_at_once(api: Api) -> None:
    top, left, right, bottom = submitted(
        api,
        SHORT | {"ref": "top"},
        {"task": COUNT, "ref": "left", "arguments": {"to": {"$result": "top", "pointer": "/n"}}},
        SHORT | {"ref": "right", "after": ["top"], "if_failed": "run"},
        {"task": COUNT, "after": ["right", "left"], "arguments": {"pause": {"$result": "left"}}},
    )
    assert [job["status"] for job in (top, left, right, bottom)] == ["queued", *["deferred"] * 3]
    assert left["after"] == right["after"] == [top["id"]]
    assert left["arguments"] == {"to": {"$result": top["id"], "pointer": "/n"}}
    assert bottom["after"] == [right["id"], left["id"]]
    assert [job["if_failed"] for job in (top, left, right, bottom)] == [None, "cancel", "run", "cancel"]


def test_entries_may_name_each_other_in_any_order(api: Api) -> None:
    last, first = submitted(api, SHORT | {"after": ["a"]}, SHORT | {"ref": "a"})
    assert (last["status"], last["after"]) == ("deferred", [first["id"]])


def test_what_is_wrong_with_names_is_told(api: Api, adapter: QueueAdapter) -> None:
    entries = [
        SHORT | {"ref": "a b"},
        SHORT | {"ref": "x"},
        SHORT | {"ref": "x"},
        SHORT | {"ref": new_job_id()},
        SHORT | {"after": "x"},
        SHORT | {"after": ["x", 5]},
        SHORT | {"after": ["x", "y"], "if_failed": True},
        {"task": COUNT, "arguments": {"to": {"$result": "z"}, "pause": {"$result": 1, "pointer": "p"}}},
        {"task": COUNT, "arguments": {"to": {"$result": "x"}, "pause": "long"}},
        SHORT | {"after": ["x"] * 101},
    ]
    reply = api.post("/jobs", {"jobs": entries})
    assert reply.is_problem(422, "invalid-arguments")
    assert list(reply.errors) == [
        "/jobs/0/ref",
        "/jobs/2/ref",
        "/jobs/3/ref",
        "/jobs/4/after",
        "/jobs/5/after",
        "/jobs/6/if_failed",
        "/jobs/6/after/1",
        "/jobs/7/arguments/pause/$result",
        "/jobs/7/arguments/pause/pointer",
        "/jobs/7/arguments/to/$result",
        "/jobs/8/arguments/pause",
        "/jobs/9/after",
    ]
    assert adapter.list().jobs == []


def test_a_cycle_is_refused(api: Api, adapter: QueueAdapter) -> None:
    entries = [
        SHORT | {"ref": "a"},
        {"task": COUNT, "ref": "b", "after": ["a"], "arguments": {"to": {"$result": "c"}}},
        SHORT | {"ref": "c", "after": ["a", "b"]},
    ]
    reply = api.post("/jobs", {"jobs": entries})
    assert reply.is_problem(422, "invalid-arguments")
    assert reply.errors in (
        {"/jobs/1/arguments/to/$result": "would never come: b waits for c, which waits for b"},
        {"/jobs/2/after/1": "would never come: c waits for b, which waits for c"},
    )
    own = api.post("/jobs", {"jobs": [SHORT | {"ref": "a", "after": ["a"]}]})
    assert own.errors == {"/jobs/0/after/0": "would never come: a waits for a"}
    assert adapter.list().jobs == []


def test_the_same_batch_again_is_the_same_though_its_ids_would_be_others(api: Api) -> None:
    batch = [SHORT | {"ref": "a"}, {"task": COUNT, "arguments": {"to": {"$result": "a"}}}]
    first = submitted(api, *batch, idempotency_key="k")
    assert submitted(api, *batch, idempotency_key="k") == first
    other = [SHORT | {"ref": "b"}, {"task": COUNT, "arguments": {"to": {"$result": "b"}}}]
    assert api.post("/jobs", {"jobs": other}, idempotency_key="k").is_problem(422, "idempotency-mismatch")


def test_a_batch_has_an_address(api: Api) -> None:
    reply = api.post("/jobs", {"jobs": [SHORT | {"ref": "a"}, SHORT | {"after": ["a"]}]}, idempotency_key="k")
    address, jobs = reply.json["batch"]["links"]["self"], reply.json["jobs"]
    seen = api.get(address)
    batch = seen.json
    assert batch["id"] == reply.json["batch"]["id"]
    assert batch["links"] == {"self": address, "jobs": f"/jobs?batch={batch['id']}"}
    assert [job["id"] for job in api.get(batch["links"]["jobs"]).json["jobs"]] == [
        job["id"] for job in reversed(jobs)
    ]
    assert (batch["status"], batch["total"], batch["progress"]) == ("running", 2, 0)
    assert batch["counts"] == {"queued": 1, "deferred": 1}
    assert [job["id"] for job in batch["jobs"]] == [job["id"] for job in jobs]
    assert {job["batch"] for job in jobs} == {batch["id"]}
    assert "arguments" not in batch["jobs"][0] and batch["jobs"][1]["after"] == [jobs[0]["id"]]
    assert (seen.headers["retry-after"], seen.headers["cache-control"]) == ("1", "no-store")
    assert api.get(address, if_none_match=seen.headers["etag"]).status == 304
    again = api.post("/jobs", {"jobs": [SHORT | {"ref": "a"}, SHORT | {"after": ["a"]}]}, idempotency_key="k")
    assert again.json["batch"] == reply.json["batch"]


def test_a_batch_is_canceled_as_a_whole_and_once(api: Api) -> None:
    reply = api.post("/jobs", {"jobs": [SHORT | {"delay": "5m"}] * 150 + [SHORT]}).json
    address = reply["batch"]["links"]["self"]
    canceled = api.delete(address)
    assert canceled.status == 202
    assert canceled.json["counts"] == {"canceled": 151} and canceled.json["progress"] == 1
    assert canceled.json["status"] == "failed" and "retry-after" not in canceled.headers
    assert api.delete(address).is_problem(409, "conflict")


@pytest.mark.parametrize("batch", ["0" * 36, "x", "u" * 36])
def test_a_batch_that_is_not_there(api: Api, batch: str) -> None:
    assert api.get(f"/batches/{batch}").is_problem(404, "unknown-batch")
    assert api.delete(f"/batches/{batch}").is_problem(404, "unknown-batch")


def test_another_owner_s_job_is_as_if_there_were_none(api: Api, change: Callable[..., None]) -> None:
    change(auth="tokens")

    def be(name: str, scopes: str = "submit read") -> None:
        api.authorizer = {"principalId": name, "scopes": scopes, "tasks": "*"}

    be("ann")
    job = api.post("/tasks/examples.short_task").json
    batch = api.post("/jobs", {"jobs": [SHORT]}).json["batch"]["links"]["self"]
    be("bob")
    reply = api.post(f"/tasks/{COUNT}?after={job['id']}")
    assert reply.is_problem(422, "invalid-arguments") and list(reply.errors) == ["?after"]
    reply = api.post(f"/tasks/{COUNT}", {"to": {"$result": job["id"]}})
    assert reply.is_problem(422, "invalid-arguments") and list(reply.errors) == ["/to/$result"]
    assert api.get(batch).is_problem(404, "unknown-batch")
    be("root", "admin")
    assert api.post(f"/tasks/{COUNT}?after={job['id']}").json["after"] == [job["id"]]
    assert api.get(batch).json["owner"] == "ann"


@pytest.mark.parametrize("place", ["to", "pause"])
def test_what_a_form_says_is_no_result(api: Api, place: str) -> None:
    body = f'{place}={{"$result": "{new_job_id()}"}}'
    reply = api.send(f"/tasks/{COUNT}", body, FORM)
    assert reply.is_problem(422, "invalid-arguments") and list(reply.errors) == [f"/{place}"]
