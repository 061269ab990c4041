"""The limits of what waits and comes: exact, atomic, and never in the way of what was accepted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.errors import (
    PayloadTooLargeError,
    ProblemError,
    QueueFullError,
    RateLimitedError,
    TooManyWaitingError,
)
from coatcheck.job import JobStatus, Submission, utcnow
from coatcheck.keys import Keys
from coatcheck.recovery import sweep
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.support.invariants import violations

Limited = Callable[..., QueueAdapter]


@pytest.fixture
def limited(client: redis.Redis, settings: Settings) -> Limited:
    """An adapter with limits: ``limited(max_waiting=3)``; those not given are off."""

    def limited(**limits: int) -> QueueAdapter:
        off = {"max_queued": 0, "max_waiting": 0, "jobs_per_minute": 0}
        return QueueAdapter(client, replace(settings, **{**off, **limits}))  # type: ignore[arg-type]

    return limited


def jobs(count: int = 1, owner: str | None = "ann", **options: Any) -> list[Submission]:
    values: dict[str, Any] = {"queue": "default", "timeout": 60, "result_ttl": 600, **options}
    return [Submission("odd.add", {}, owner=owner, **values) for _ in range(count)]


def refused(adapter: QueueAdapter, kind: type[ProblemError], batch: list[Submission]) -> ProblemError:
    """The refusal of a batch, of which nothing is there."""
    with pytest.raises(kind) as caught:
        adapter.submit(batch)
    assert not {job.id for job in adapter.list(limit=200).jobs} & {each.id for each in batch}
    return caught.value


@pytest.fixture(autouse=True)
def nothing_is_counted_wrong(client: redis.Redis, keys: Keys) -> Any:
    yield
    assert violations(client, keys.prefix) == []


def test_a_queue_takes_as_many_as_may_wait_scheduled_ones_too(limited: Limited, worker: WorkerByHand) -> None:
    adapter = limited(max_queued=4)
    adapter.submit(jobs(2, owner=None))
    adapter.submit(jobs(2, at=utcnow() + timedelta(hours=1)))
    problem = refused(adapter, QueueFullError, jobs())
    assert problem.headers == {"Retry-After": "5"}
    assert "4 jobs may wait on the queue default" in problem.detail
    adapter.submit(jobs(4, queue="other"))
    refused(adapter, QueueFullError, [*jobs(), *jobs(queue="other")])
    worker.take()
    refused(adapter, QueueFullError, jobs())  # taken is not begun
    worker.run()
    adapter.submit(jobs())
    refused(adapter, QueueFullError, jobs())


def test_a_batch_is_taken_as_a_whole_or_not_at_all(limited: Limited) -> None:
    adapter = limited(max_queued=10, max_waiting=8)
    adapter.submit(jobs(6))
    refused(adapter, TooManyWaitingError, jobs(3))
    refused(adapter, QueueFullError, jobs(5, owner="ben"))
    adapter.submit(jobs(4, owner="ben"))


def test_what_no_waiting_would_let_in_is_too_large(limited: Limited) -> None:
    refused(limited(max_queued=4), PayloadTooLargeError, jobs(5))
    refused(limited(max_waiting=4), PayloadTooLargeError, jobs(5))
    refused(limited(jobs_per_minute=4), PayloadTooLargeError, jobs(5))
    assert len(limited(max_waiting=4, jobs_per_minute=4).submit(jobs(5, owner=None))) == 5


def test_the_waiting_jobs_of_an_owner_are_counted_through_their_lives(
    limited: Limited, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    adapter = limited(max_waiting=3)

    def waiting() -> int:
        return int(client.scard(keys.waiting("ann")))

    first, second, third = adapter.submit(jobs(3, retries=1, retry_delays=(60,)))
    problem = refused(adapter, TooManyWaitingError, jobs())
    assert problem.headers == {
        "Retry-After": "5",
        "RateLimit-Policy": '"waiting";q=3',
        "RateLimit": '"waiting";r=0',
    }
    adapter.submit(jobs(3, owner="ben"))
    job_id, execution = worker.begin()
    assert (job_id, waiting()) == (first.id, 2)
    assert worker.end(job_id, execution, "failed", delay=60) == "scheduled"
    assert waiting() == 3  # its retry waits
    adapter.cancel(second.id)
    adapter.cancel(first.id)
    assert waiting() == 1
    job_id, execution = worker.begin()
    assert (job_id, waiting()) == (third.id, 0)
    sweep(worker.scripts, keys.leases, keys.swept, worker.lease)  # the first gives leases a new term
    client.zadd(keys.leases, {f"{job_id}:{execution}": 1})
    assert sweep(worker.scripts, keys.leases, keys.swept, worker.lease) == [(job_id, "queued")]
    assert waiting() == 1  # recovered
    adapter.retry(second.id)
    assert waiting() == 2


def test_a_retry_counts_like_a_submission(limited: Limited, client: redis.Redis, keys: Keys) -> None:
    unlimited = limited()
    [job] = unlimited.submit(jobs())
    unlimited.cancel(job.id)
    unlimited.submit(jobs(2))
    for limits, kind in (
        ({"max_queued": 2}, QueueFullError),
        ({"max_waiting": 2}, TooManyWaitingError),
    ):
        with pytest.raises(kind):
            limited(**limits).retry(job.id)
        assert unlimited.get(job.id).status is JobStatus.CANCELED
    adapter = limited(jobs_per_minute=2)
    adapter.submit(jobs(2))
    with pytest.raises(RateLimitedError):
        adapter.retry(job.id)
    client.delete(keys.rate("ann"))
    assert adapter.retry(job.id).status is JobStatus.QUEUED
    with pytest.raises(RateLimitedError):
        adapter.submit(jobs(2))
    adapter.submit(jobs(1))


def test_a_bucket_gives_what_it_holds_at_once_and_fills_up_evenly(
    limited: Limited, client: redis.Redis, keys: Keys
) -> None:
    adapter = limited(jobs_per_minute=60)
    headers: dict[str, str] = {}
    adapter.submit(jobs(55), headers=headers)
    assert headers == {"RateLimit-Policy": '"minute";q=60;w=60', "RateLimit": '"minute";r=5;t=1'}
    before = time.monotonic()
    problem = refused(adapter, RateLimitedError, jobs(50))
    wait = int(problem.headers["Retry-After"])
    assert 45 - (time.monotonic() - before) - 2 <= wait <= 45
    assert f"room in {wait} s" in problem.detail
    # As if 45 s had passed: by then, as told, there is room.
    taken, at = client.get(keys.rate("ann")).decode().split(":")  # type: ignore[union-attr]
    client.set(keys.rate("ann"), f"{taken}:{int(at) - wait * 1_000_000}")
    adapter.submit(jobs(50))
    assert 0 < client.pttl(keys.rate("ann")) <= 61_000


def test_a_bucket_is_exact_to_the_microsecond(limited: Limited, client: redis.Redis, keys: Keys) -> None:
    per_minute, whole = 999_983, 60_000_000  # a prime: nothing comes out even
    adapter = limited(jobs_per_minute=per_minute)
    seconds, microseconds = client.time()
    ahead = seconds * 1_000_000 + microseconds + 60_000_000  # no time passes until then
    client.set(keys.rate("ann"), f"{(per_minute - 1) * whole}:{ahead}")
    adapter.submit(jobs())
    client.set(keys.rate("ann"), f"{(per_minute - 1) * whole + 1}:{ahead}")
    refused(adapter, RateLimitedError, jobs())


def test_a_repeated_call_counts_once(limited: Limited, client: redis.Redis, keys: Keys) -> None:
    adapter = limited(max_queued=2, max_waiting=2, jobs_per_minute=2)
    batch = jobs(2)
    adapter.submit(batch)
    assert [job.id for job in adapter.submit(batch)] == [each.id for each in batch]  # its answer was lost
    assert client.llen(keys.queue("default")) == client.scard(keys.waiting("ann")) == 2


def test_an_idempotency_key_is_answered_at_any_limit(limited: Limited) -> None:
    adapter = limited(max_queued=1, max_waiting=1, jobs_per_minute=1)
    [job] = adapter.submit(jobs(), idempotency_key="k", fingerprint="f")
    assert [each.id for each in adapter.submit(jobs(), idempotency_key="k", fingerprint="f")] == [job.id]


def test_a_lowered_limit_lets_nothing_in_until_there_is_room(limited: Limited, worker: WorkerByHand) -> None:
    limited().submit(jobs(5))
    adapter = limited(max_waiting=2)
    refused(adapter, TooManyWaitingError, jobs())
    for _ in range(4):
        worker.run()
    adapter.submit(jobs())


def test_planted_counts_stop_no_job(
    limited: Limited, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    adapter = limited(max_waiting=1, jobs_per_minute=5)
    client.set(keys.waiting("ann"), "x")
    client.hset(keys.rate("ann"), "x", "x")
    [job] = adapter.submit(jobs())
    assert worker.run() == job.id
    assert adapter.get(job.id).status is JobStatus.FINISHED
    client.delete(keys.waiting("ann"))
    client.set(keys.rate("ann"), "-1:nonsense")
    adapter.submit(jobs())
