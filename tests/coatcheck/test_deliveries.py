"""Whatever ends a job that has a callback, there is exactly one job that tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.callbacks import DELAYS, KEPT, TASK, delivery_of
from coatcheck.connection import as_text
from coatcheck.deliveries import MAX_ATTEMPTS, Attempt, record_attempt
from coatcheck.errors import ConflictError, UnknownJobError
from coatcheck.job import Job, JobStatus, Submission, new_job_id
from coatcheck.keys import Keys
from coatcheck.recovery import MAX_LOST, sweep
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.support.invariants import violations
from worker_image.janitor import Janitor

URL = "https://example.com/hook"


@pytest.fixture
def put(adapter: QueueAdapter) -> Callable[..., Job]:
    """Submits a job with a callback."""

    def put(url: str = URL, queue: str = "default", **options: Any) -> Job:
        job_id = new_job_id()
        delivery = delivery_of(job_id, url, queue)
        made = Submission("odd.add", {"left": 1}, "default", 60, 60, id=job_id, delivery=delivery, **options)
        return adapter.submit([made])[0]

    return put


def deliveries(adapter: QueueAdapter, job: Job) -> list[Job]:
    """The jobs that tell a job's end, newest first."""
    found = [adapter.get(each.id) for each in adapter.list(limit=200).jobs if each.task == TASK]
    return [each for each in found if each.arguments["job"] == job.id]


def lose(scripts: Scripts, keys: Keys, client: redis.Redis, worker: WorkerByHand) -> None:
    """A worker begins the next job and is lost."""
    job_id, execution = worker.begin()
    client.zadd(keys.leases, {f"{job_id}:{execution}": 1})
    client.set(keys.swept, str(client.time()[0]))
    sweep(scripts, keys.leases, keys.swept, 12)


def finish(how: str) -> Callable[..., None]:
    def end(worker: WorkerByHand, **_: Any) -> None:
        worker.run(how)

    return end


def cancel(adapter: QueueAdapter, job: Job, **_: Any) -> None:
    adapter.cancel(job.id)


def lose_once(scripts: Scripts, keys: Keys, client: redis.Redis, worker: WorkerByHand, **_: Any) -> None:
    lose(scripts, keys, client, worker)


def lose_often(scripts: Scripts, keys: Keys, client: redis.Redis, worker: WorkerByHand, **_: Any) -> None:
    for _time in range(MAX_LOST):
        lose(scripts, keys, client, worker)


def stop_lost(
    adapter: QueueAdapter,
    job: Job,
    scripts: Scripts,
    keys: Keys,
    client: redis.Redis,
    worker: WorkerByHand,
) -> None:
    job_id, execution = worker.begin()
    adapter.cancel(job_id)
    client.zadd(keys.leases, {f"{job_id}:{execution}": 1})
    client.set(keys.swept, str(client.time()[0]))
    sweep(scripts, keys.leases, keys.swept, 12)


def give_up_task(client: redis.Redis, keys: Keys, job: Job, worker: WorkerByHand, **_: Any) -> None:
    client.hset(keys.job(job.id), "unknown_since", "1")
    worker.run("unknown")


ENDS: dict[str, tuple[Callable[..., None], dict[str, Any], JobStatus]] = {
    "finished": (finish("finished"), {}, JobStatus.FINISHED),
    "failed": (finish("failed"), {}, JobStatus.FAILED),
    "failed, may run once": (finish("failed"), {"retries": 0}, JobStatus.FAILED),
    "stopped": (finish("stopped"), {}, JobStatus.STOPPED),
    "canceled": (cancel, {}, JobStatus.CANCELED),
    "lost, may run once": (lose_once, {"retries": 0}, JobStatus.FAILED),
    "poisoned": (lose_often, {}, JobStatus.FAILED),
    "stopped and lost": (stop_lost, {}, JobStatus.STOPPED),
    "no worker knows its task": (give_up_task, {}, JobStatus.FAILED),
}


@pytest.mark.parametrize("name", ENDS)
def test_each_end_makes_exactly_one_delivery(
    name: str,
    put: Callable[..., Job],
    adapter: QueueAdapter,
    worker: WorkerByHand,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
) -> None:
    end, options, status = ENDS[name]
    job = put(**options)
    assert deliveries(adapter, job) == []
    end(
        adapter=adapter,
        job=job,
        worker=worker,
        client=client,
        keys=keys,
        scripts=Scripts(client, settings.prefix),
    )
    assert adapter.get(job.id).status is status
    [delivery] = deliveries(adapter, job)
    assert (delivery.status, delivery.queue) == (JobStatus.QUEUED, "default")
    assert delivery.arguments == {"job": job.id, "url": URL, "delivery": delivery.id}
    assert client.lrange(keys.queue("default"), 0, -1) == [delivery.id.encode()]
    assert client.hget(keys.job(delivery.id), "retries_left") == str(len(DELAYS)).encode()
    assert violations(client, keys.prefix) == []


def test_a_job_that_is_not_over_has_no_delivery(
    put: Callable[..., Job], adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    job = put(retries=1)
    for outcome in ("interrupted", "failed", "unknown"):
        worker.run(outcome)
        assert not adapter.get(job.id).ended
        assert deliveries(adapter, job) == []


def test_a_job_without_callback_has_none(
    submit: Callable[..., Job], adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    job = submit("odd.add", {"left": 1})
    worker.run()
    assert [each.id for each in adapter.list().jobs] == [job.id]
    with pytest.raises(ConflictError, match="without one"):
        adapter.deliver_again(job.id)


def test_the_delivery_goes_before_what_waits(
    put: Callable[..., Job], adapter: QueueAdapter, worker: WorkerByHand, submit: Callable[..., Job]
) -> None:
    job = put()
    submit("odd.add", {"left": 2})
    job_id, execution = worker.begin()
    worker.end(job_id, execution, following="next")
    assert adapter.get(worker.next).arguments["job"] == job.id


def test_it_goes_to_the_queue_that_the_settings_name(
    put: Callable[..., Job], adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    job = put(queue="other")
    worker.run()
    assert [each.queue for each in deliveries(adapter, job)] == ["other"]


def test_the_same_end_told_twice_makes_one_delivery(
    put: Callable[..., Job], adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    job = put()
    run = worker.begin()
    assert [worker.end(*run), worker.end(*run)] == ["finished", "finished"]
    assert len(deliveries(adapter, job)) == 1


def test_each_end_of_a_job_that_is_retried_has_its_own(
    put: Callable[..., Job], adapter: QueueAdapter, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    job = put()
    worker.run("failed")
    assert adapter.retry(job.id).status is JobStatus.QUEUED
    assert worker.run("finished") != job.id, "the first delivery goes before it"
    assert worker.run("finished") == job.id
    first, second = reversed(deliveries(adapter, job))
    assert (first.status, second.status) == (JobStatus.FINISHED, JobStatus.QUEUED)
    assert second.arguments["delivery"] == second.id
    assert violations(client, keys.prefix) == []


def test_the_job_is_kept_until_the_last_attempt_and_carries_its_delivery_no_more(
    put: Callable[..., Job], worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    job = put()
    assert client.hexists(keys.job(job.id), "delivery.data")
    worker.run()
    assert KEPT - 60 < client.ttl(keys.job(job.id)) <= KEPT
    left = {as_text(name) for name in client.hkeys(keys.job(job.id))}
    assert not {name for name in left if name.partition(".")[0] == "delivery"}


def test_an_ended_job_can_be_told_again(
    put: Callable[..., Job], adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    job = put()
    with pytest.raises(ConflictError, match="is queued"):
        adapter.deliver_again(job.id)
    worker.run()
    again = adapter.deliver_again(job.id)
    assert {each.id for each in deliveries(adapter, job)} > {again.id}
    assert again.arguments["url"] == URL


def attempt(number: int) -> Attempt:
    return Attempt(new_job_id(), number, "2026-11-25T10:00:00.000000Z", 0.5, "job.finished", 200, None)


def test_the_newest_attempts_are_kept(
    put: Callable[..., Job], adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    job, scripts = put(), Scripts(client, settings.prefix)
    attempts = [attempt(number) for number in range(MAX_ATTEMPTS + 10)]
    for each in attempts:
        assert record_attempt(scripts, keys, job.id, each)
        assert record_attempt(scripts, keys, job.id, each), "the answer was lost, and it comes again"
    found = adapter.deliveries(job.id)
    assert (found.callback, list(found.attempts)) == (URL, attempts[-MAX_ATTEMPTS:])


def test_nothing_is_written_of_a_job_that_is_gone(
    client: redis.Redis, keys: Keys, settings: Settings, adapter: QueueAdapter
) -> None:
    job_id = new_job_id()
    assert not record_attempt(Scripts(client, settings.prefix), keys, job_id, attempt(1))
    assert not client.exists(keys.job(job_id))
    for method in (adapter.deliveries, adapter.deliver_again):
        with pytest.raises(UnknownJobError):
            method(job_id)


@pytest.mark.parametrize(
    "planted", ["", "nonsense", "[]", "{}", '{"delivery": 1}', "[" * 100_000, "null\n{}\n7", "\x00"]
)
def test_what_is_planted_there_is_left_out(
    planted: str, put: Callable[..., Job], adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    job = put()
    client.hset(keys.job(job.id), "deliveries", planted)
    assert adapter.deliveries(job.id).attempts == ()


@pytest.mark.parametrize("late", [False, True], ids=["in time", "after the next end"])
def test_each_end_of_a_job_that_came_back_with_another_is_told(
    late: bool,
    put: Callable[..., Job],
    adapter: QueueAdapter,
    worker: WorkerByHand,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
) -> None:
    first = adapter.submit([Submission("odd.add", {}, "default", 60, 60)])[0]
    job = put(queue="told", after=(first.id,))
    janitor = Janitor(client, settings, ["default"])
    worker.run("failed")
    assert len(deliveries(adapter, job)) == 1
    adapter.retry(first.id)
    if not late:
        janitor.tick()
    assert [worker.run(), worker.run()] == [first.id, job.id]
    if late:
        janitor.tick()
    janitor.tick()
    assert len(deliveries(adapter, job)) == 2
    assert not client.exists(keys.uncalled)
    assert violations(client, keys.prefix) == []
