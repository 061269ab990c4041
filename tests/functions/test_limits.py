"""The limits of a caller over HTTP: their headers, and what is answered beyond them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.functions.client import Api, Reply

TASK = "examples.short_task"


@pytest.fixture
def limited(change: Callable[..., None]) -> Callable[..., Api]:
    """An API with these limits, called by ann; those not given are off."""

    def limited(name: str = "ann", **limits: int) -> Api:
        off = {"max_queued": 0, "max_waiting": 0, "jobs_per_minute": 0}
        change(auth="tokens", **{**off, **limits})
        api = Api()
        api.authorizer = {"principalId": name, "scopes": "submit read", "tasks": "*"}
        return api

    return limited


def submit(api: Api) -> Reply:
    return api.post(f"/tasks/{TASK}", {})


def batch(api: Api, count: int) -> Reply:
    return api.post("/jobs", {"jobs": [{"task": TASK}] * count})


def count(api: Api) -> int:
    return len(api.get("/jobs?limit=200").json["jobs"])


def test_each_submission_tells_the_limits_and_what_is_left(limited: Callable[..., Api]) -> None:
    api = limited(max_waiting=10, jobs_per_minute=60)
    policy = '"minute";q=60;w=60, "waiting";q=10'
    first, second = submit(api), batch(api, 3)
    assert (first.status, second.status) == (202, 202)
    assert first.headers["ratelimit-policy"] == second.headers["ratelimit-policy"] == policy
    assert first.headers["ratelimit"] == '"minute";r=59;t=1, "waiting";r=9'
    assert second.headers["ratelimit"] == '"minute";r=56;t=1, "waiting";r=6'


@pytest.mark.parametrize(
    ("limits", "slug", "headers"),
    [
        ({"jobs_per_minute": 3}, "rate-limited", {"ratelimit": '"minute";r=0;t=20', "retry-after": "20"}),
        ({"max_waiting": 3}, "too-many-waiting", {"ratelimit": '"waiting";r=0', "retry-after": "5"}),
        ({"max_queued": 3}, "queue-full", {"retry-after": "5"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_beyond_a_limit_nothing_is_submitted(
    limits: dict[str, int], slug: str, headers: dict[str, Any], limited: Callable[..., Api]
) -> None:
    api = limited(**limits)
    assert batch(api, 3).status == 202
    for reply in (submit(api), batch(api, 2)):
        assert reply.is_problem(503 if slug == "queue-full" else 429, slug), reply
    assert headers.items() <= submit(api).headers.items()
    assert batch(api, 4).is_problem(413, "payload-too-large")
    assert count(api) == 3


def test_a_limit_of_a_caller_is_their_own(limited: Callable[..., Api]) -> None:
    assert batch(limited(max_waiting=2, jobs_per_minute=2), 2).status == 202
    ben = limited("ben", max_waiting=2, jobs_per_minute=2)
    assert batch(ben, 2).status == 202
    assert submit(ben).status == 429


def test_where_nobody_is_asked_only_the_queue_is_limited(api: Api, change: Callable[..., None]) -> None:
    change(max_waiting=1, jobs_per_minute=1, max_queued=3)
    reply = batch(api, 3)
    assert reply.status == 202 and "ratelimit" not in reply.headers
    assert submit(api).is_problem(503, "queue-full")
    assert "ratelimit" not in submit(api).headers


def test_a_retry_counts_and_says_what_refuses_it(limited: Callable[..., Api]) -> None:
    api = limited(max_waiting=1)
    job = submit(api).json["id"]
    assert api.delete(f"/jobs/{job}").status == 202
    assert submit(api).status == 202
    assert api.post(f"/jobs/{job}/retry").is_problem(429, "too-many-waiting")
