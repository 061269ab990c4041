"""Waiting for a job's end: heard at once, never missed, and bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from coatcheck import waiting
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.errors import UnavailableError, UnknownJobError
from coatcheck.job import Job, JobStatus, Submission
from coatcheck.keys import Keys
from coatcheck.settings import Settings, load
from infra.embedded import EmbeddedRedis
from tests.coatcheck.conftest import WorkerByHand
from tests.support.polling import eventually

LONG = 3600.0
"""Seconds: a wait that ends by itself would fail its test."""

Submit = Callable[..., Job]


class Waiting:
    """Waits for jobs in threads, and counts how often it looks at them."""

    def __init__(self, adapter: QueueAdapter, pool: ThreadPoolExecutor) -> None:
        self._adapter = adapter
        self._pool = pool
        self.looks = 0

    def __call__(self, job: Job, seconds: float = LONG) -> Future[Job | None]:
        def look() -> Job:
            self.looks += 1
            return self._adapter.get(job.id)

        return self._pool.submit(self._adapter.waiters.wait, job.id, seconds, look)

    def until_asleep(self, looks: int = 1) -> None:
        """Until the waiter has looked for the first time, and so can miss nothing any more."""
        eventually(lambda: self.looks >= looks, what="the waiter looks")


@pytest.fixture
def pool(adapter: QueueAdapter) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool
        adapter.waiters.dismiss()  # or a test that fails would wait for ever


@pytest.fixture
def wait(adapter: QueueAdapter, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """Waits, without a look that nothing has asked for."""
    monkeypatch.setattr(waiting, "LOOK_SECONDS", LONG)
    return Waiting(adapter, pool)


@pytest.fixture
def change(pool: ThreadPoolExecutor, settings: Settings) -> Iterator[Callable[..., Waiting]]:
    """Waits in another process, as far as Redis can tell, with other settings."""
    clients: list[redis.Redis] = []

    def change(**values: object) -> Waiting:
        changed = replace(settings, **values)  # type: ignore[arg-type]
        clients.append(connect(changed))
        return Waiting(QueueAdapter(clients[-1], changed), pool)

    yield change
    for client in clients:
        client.close()


def waiters(client: redis.Redis, keys: Keys) -> int:
    return len(client.pubsub_channels(keys.waiter("*")))


def test_a_waiter_sleeps_until_the_end_and_looks_twice(
    wait: Waiting,
    submit: Submit,
    worker: WorkerByHand,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
) -> None:
    job = submit("odd.add", {"left": 1})
    found = wait(job)
    wait.until_asleep()
    _, execution = worker.begin()
    worker.report(job.id, execution, "a line")
    worker.end(job.id, execution, "finished", result=3)
    assert found.result(30) == adapter.get(job.id)
    assert wait.looks == 2
    assert waiters(client, keys) == 0


def test_an_end_before_the_subscription_is_not_missed(
    wait: Waiting, submit: Submit, adapter: QueueAdapter
) -> None:
    job = submit("odd.add")
    adapter.cancel(job.id)
    ended = wait(job).result(30)
    assert ended is not None and ended.status is JobStatus.CANCELED


def test_an_end_that_does_not_come_is_told_after_the_time(wait: Waiting, submit: Submit) -> None:
    job = wait(submit("odd.add"), 0.05).result(30)
    assert job is not None and job.status is JobStatus.QUEUED


def test_many_waiters_hear_of_the_end_of_their_own_job(
    wait: Waiting, submit: Submit, adapter: QueueAdapter
) -> None:
    first, second = submit("odd.add"), submit("odd.add")
    of_first, of_second = [wait(first) for _ in range(3)], [wait(second) for _ in range(3)]
    wait.until_asleep(6)
    adapter.cancel(first.id)
    assert {job.id for found in of_first if (job := found.result(30))} == {first.id}
    assert not any(found.done() for found in of_second)
    adapter.cancel(second.id)
    assert {job.id for found in of_second if (job := found.result(30))} == {second.id}


def test_an_end_that_nobody_tells_of_is_seen_after_a_reconnect(
    wait: Waiting, submit: Submit, client: redis.Redis, keys: Keys
) -> None:
    job = submit("odd.add")
    found = wait(job)
    wait.until_asleep()
    client.hset(keys.job(job.id), "status", "canceled")  # as by RQ's own tools
    assert client.client_kill_filter(_type="pubsub")
    ended = found.result(30)
    assert ended is not None and ended.status is JobStatus.CANCELED


def test_an_end_that_nobody_tells_of_is_seen_after_a_while(
    wait: Waiting, submit: Submit, client: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.1)
    job = submit("odd.add")
    found = wait(job)
    wait.until_asleep()
    client.hset(keys.job(job.id), "status", "canceled")
    ended = found.result(30)
    assert ended is not None and ended.status is JobStatus.CANCELED


def test_a_job_that_goes_meanwhile_is_unknown(
    wait: Waiting, submit: Submit, client: redis.Redis, keys: Keys, adapter: QueueAdapter
) -> None:
    job = submit("odd.add")
    found = wait(job)
    wait.until_asleep()
    client.delete(keys.job(job.id))
    adapter.waiters.dismiss()
    with pytest.raises(UnknownJobError):
        found.result(30)


def test_redis_lost_meanwhile_is_told(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with EmbeddedRedis(tmp_path) as server:
        settings = load({"REDIS_URL": server.url})
        adapter = QueueAdapter(connect(settings), settings)
        wait = Waiting(adapter, pool)
        [job] = adapter.submit([Submission("odd.add", {}, "default", 60, 600)])
        found = wait(job)
        wait.until_asleep()
    with pytest.raises(UnavailableError):
        found.result(30)


def test_who_finds_no_seat_does_not_wait_whichever_process_has_them(
    change: Callable[..., Waiting], submit: Submit, adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    first, second = change(wait_seats=2), change(wait_seats=2)
    job = submit("odd.add")
    waiting_there = [first(job), first(job)]
    first.until_asleep(2)
    assert first(job).result(30) is None
    assert second(job).result(30) is None
    assert second.looks == 0
    adapter.cancel(job.id)
    assert all(found.result(30) for found in waiting_there)
    assert waiters(client, keys) == 0
    ended = second(job).result(30)
    assert ended is not None and ended.ended


def test_all_who_wait_can_be_answered_now(wait: Waiting, submit: Submit, adapter: QueueAdapter) -> None:
    found = [wait(submit("odd.add")) for _ in range(4)]
    wait.until_asleep(4)
    adapter.waiters.dismiss()
    assert [job.status for each in found if (job := each.result(30))] == [JobStatus.QUEUED] * 4
