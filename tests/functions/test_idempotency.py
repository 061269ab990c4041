"""``Idempotency-Key``: the same key and request again are the same jobs again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coatcheck.adapter import QueueAdapter
from coatcheck.job import JobError
from tests.coatcheck.conftest import WorkerByHand, worker
from tests.functions.client import FORM, Api, Reply

__all__ = ["worker"]

TASK = "/tasks/examples.count_slowly"


def test_the_same_key_and_body_give_the_same_job(api: Api, adapter: QueueAdapter) -> None:
    first = api.post(TASK, {"to": 3}, idempotency_key="k")
    again = api.post(TASK, {"to": 3}, idempotency_key="k")
    assert (first.status, again.status) == (202, 202)
    assert again.json == first.json
    assert again.headers["location"] == first.headers["location"]
    assert len(adapter.list().jobs) == 1


def test_without_a_key_or_with_another_one_they_are_two_jobs(api: Api) -> None:
    ids = {api.post(TASK, {}).json["id"] for _ in range(2)}
    ids |= {api.post(TASK, {}, idempotency_key=key).json["id"] for key in ("a", "b")}
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("path", "body"),
    [(TASK, {"to": 4}), (f"{TASK}?delay=5m", {"to": 3}), ("/tasks/examples.short_task", {})],
    ids=["arguments", "options", "task"],
)
def test_the_same_key_for_another_request_is_refused(
    api: Api, adapter: QueueAdapter, path: str, body: dict[str, int]
) -> None:
    api.post(TASK, {"to": 3}, idempotency_key="k")
    assert api.post(path, body, idempotency_key="k").is_problem(422, "idempotency-mismatch")
    assert len(adapter.list().jobs) == 1


def test_a_delayed_request_is_the_same_request_later(api: Api) -> None:
    first = api.post(f"{TASK}?delay=5m", {}, idempotency_key="k").json
    assert api.post(f"{TASK}?delay=5m", {}, idempotency_key="k").json == first


def test_how_the_body_is_written_does_not_matter(api: Api) -> None:
    headers = {"content-type": "application/json", "idempotency-key": "k"}
    first = api.request("POST", TASK, '{"to": 3, "pause": 1.5}', headers).json
    assert api.request("POST", TASK, ' {"pause":1.50,"to":3}', headers).json == first
    assert api.request("POST", TASK, "to=3&pause=1.5", headers | {"content-type": FORM}).json == first


def test_a_batch_has_one_key(api: Api, adapter: QueueAdapter) -> None:
    batch = {"jobs": [{"task": "examples.short_task"}, {"task": "examples.long_task"}]}
    first = api.post("/jobs", batch, idempotency_key="k").json
    assert api.post("/jobs", batch, idempotency_key="k").json == first
    assert len(adapter.list().jobs) == 2
    batch["jobs"].reverse()
    assert api.post("/jobs", batch, idempotency_key="k").is_problem(422, "idempotency-mismatch")


@pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "a\tb"])
def test_a_malformed_key_is_refused(api: Api, key: str) -> None:
    reply = api.post(TASK, {}, idempotency_key=key)
    assert reply.is_problem(400, "invalid-request")
    assert list(reply.errors) == ["Idempotency-Key"]


def test_the_longest_key_is_taken(api: Api) -> None:
    assert api.post(TASK, {}, idempotency_key="~ " + "x" * 253).status == 202


def test_two_callers_do_not_share_their_keys(api: Api, change: Callable[..., None]) -> None:
    change(auth="tokens")
    ids = set()
    for caller in ("ann", "bob"):
        api.authorizer = {"principalId": caller, "scopes": "submit", "tasks": "*"}
        ids.add(api.post(TASK, {}, idempotency_key="k").json["id"])
    assert len(ids) == 2


def test_a_role_keeps_its_keys_in_its_next_session(api: Api, change: Callable[..., None]) -> None:
    change(auth="iam")
    role = "arn:aws:sts::123456789012:assumed-role"
    ids = {}
    for arn in (
        f"{role}/app/4f0c",
        f"{role}/app/77aa",
        f"{role}/other/4f0c",
        "arn:aws:iam::123456789012:user/a",
    ):
        api.identity = {"userArn": arn}
        job = api.post(TASK, {}, idempotency_key="k").json
        ids[arn] = job["id"]
    assert ids[f"{role}/app/4f0c"] == ids[f"{role}/app/77aa"]
    assert len(set(ids.values())) == 3


def test_a_cancel_that_comes_again_with_its_key_is_only_answered(api: Api) -> None:
    job = api.post(TASK, {}).json["links"]["self"]

    def cancel(key: str) -> Reply:
        return api.request("DELETE", job, headers={"idempotency-key": key})

    first = cancel("k")
    assert (first.status, first.json["status"]) == (202, "canceled")
    again = cancel("k")
    assert (again.status, again.json) == (202, first.json)
    assert cancel("other").is_problem(409, "conflict")
    assert api.delete(job).is_problem(409, "conflict")
    assert cancel("").is_problem(400, "invalid-request")


def test_a_retry_that_comes_again_with_its_key_runs_nothing_twice(api: Api, worker: WorkerByHand) -> None:
    links = api.post(TASK, {}).json["links"]
    worker.run("failed", error=JobError("ValueError", "bad"))
    assert api.post(links["retry"], idempotency_key="k").json["status"] == "queued"
    assert api.post(links["retry"], idempotency_key="k").json["status"] == "queued"
    worker.run("failed", error=JobError("ValueError", "bad"))
    late = api.post(links["retry"], idempotency_key="k")
    assert (late.status, late.json["status"], late.json["attempt"]) == (200, "failed", 2)
    described = api.get("/openapi.json").json["paths"]
    for path in ("/jobs/{id}/retry", "/schedules/{name}/run"):
        assert {"200", "202"} <= described[path]["post"]["responses"].keys()
    assert api.post(links["retry"], idempotency_key="other").json["status"] == "queued"


def test_another_callers_key_is_another_key(
    api: Api, worker: WorkerByHand, change: Callable[..., None]
) -> None:
    change(auth="tokens")

    def as_caller(name: str) -> Api:
        api.authorizer = {"principalId": name, "scopes": "admin", "tasks": "*"}
        return api

    links = as_caller("ann").post(TASK, {}).json["links"]
    for name in ("ann", "ben"):
        worker.run("failed", error=JobError("ValueError", "bad"))
        assert as_caller(name).post(links["retry"], idempotency_key="k").json["status"] == "queued"
