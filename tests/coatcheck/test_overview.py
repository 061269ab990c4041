"""How the queues are: counts, the oldest wait, the workers that live."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from coatcheck import overview
from coatcheck.adapter import QueueAdapter, QueueInfo, WorkerInfo
from coatcheck.job import Job, format_time, new_job_id
from coatcheck.keys import Keys
from coatcheck.overview import WORKER_SILENCE
from tests.coatcheck.conftest import WorkerByHand

Submit = Callable[..., Job]
NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)
NOTHING = dict.fromkeys(("queued", "scheduled", "deferred", "started", "finished", "failed", "canceled"), 0)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's clock stands still at NOW."""
    monkeypatch.setattr(overview, "utcnow", lambda: NOW)


@pytest.fixture
def register(client: redis.Redis, keys: Keys) -> Callable[..., None]:
    """Makes the entry of a worker, as RQ does."""

    def register(name: str, queue: str = "default", *, silence: float = 0, **fields: Any) -> None:
        key = keys.worker(name)
        client.sadd(keys.workers, key)
        client.sadd(keys.workers_of(queue), key)
        beat = format_time(NOW - timedelta(seconds=silence))
        entry: dict[Any, Any] = {
            "birth": format_time(NOW - timedelta(hours=1)),
            "last_heartbeat": beat,
            "state": "idle",
            "hostname": "host",
            "pid": "12",
            "catalog": "abc",
            **fields,
        }
        client.hset(key, mapping=entry)

    return register


def test_an_unused_queue_is_all_zeros(adapter: QueueAdapter) -> None:
    assert adapter.queues(["default"]) == [QueueInfo("default", NOTHING, None, [])]
    assert adapter.queues([]) == []


def test_queues_come_in_the_order_of_their_names_each_with_its_own_jobs(
    adapter: QueueAdapter, submit: Submit
) -> None:
    submit("odd.add", queue="other")
    found = adapter.queues(["other", "default"])
    assert [(queue.name, queue.counts["queued"]) for queue in found] == [("other", 1), ("default", 0)]


def test_jobs_are_counted_by_status(adapter: QueueAdapter, submit: Submit, worker: WorkerByHand) -> None:
    for _ in range(9):
        submit("odd.add")
    for outcome in ("finished", "finished", "failed", "stopped"):
        worker.run(outcome)
    worker.begin()
    worker.take()
    adapter.cancel(adapter.list().jobs[0].id)
    submit("odd.add", at=datetime.now(UTC) + timedelta(hours=1))
    (queue,) = adapter.queues(["default"])
    counts = {"queued": 3, "started": 1, "finished": 2, "failed": 2, "canceled": 1, "scheduled": 1}
    assert queue.counts == NOTHING | counts


@pytest.mark.usefixtures("frozen")
def test_the_oldest_wait_is_that_of_the_head_of_the_queue(
    adapter: QueueAdapter, submit: Submit, client: redis.Redis, keys: Keys
) -> None:
    for seconds in (90, 500, 5):
        job = submit("odd.add")
        client.hset(keys.job(job.id), "enqueued_at", format_time(NOW - timedelta(seconds=seconds)))
    assert adapter.queues(["default"])[0].oldest_wait == 90
    adapter.cancel(adapter.list().jobs[-1].id)
    assert adapter.queues(["default"])[0].oldest_wait == 500


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize(
    ("enqueued_at", "wait"),
    [
        (format_time(NOW + timedelta(seconds=3)), 0.0),  # the reader's clock may be behind
        (None, None),
        ("soon", None),
        (b"\xff", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_a_wait_that_can_t_be_told_is_none_and_never_negative(
    enqueued_at: str | bytes | None,
    wait: float | None,
    adapter: QueueAdapter,
    submit: Submit,
    client: redis.Redis,
    keys: Keys,
) -> None:
    job = submit("odd.add")
    if enqueued_at is None:
        client.delete(keys.job(job.id))
    else:
        client.hset(keys.job(job.id), "enqueued_at", enqueued_at)
    assert adapter.queues(["default"])[0].oldest_wait == wait


@pytest.mark.usefixtures("frozen")
def test_a_living_worker_is_told_with_what_it_does(
    adapter: QueueAdapter, register: Callable[..., None], client: redis.Redis, keys: Keys
) -> None:
    register("busy", state="busy", silence=3)
    job_id = new_job_id()
    client.sadd(keys.worker("busy") + ":executions", f"{job_id}:execution")
    register("idle", "other", pid="", catalog="", birth="")
    busy, idle = adapter.queues(["default", "other"])
    beat = NOW - timedelta(seconds=3)
    birth = NOW - timedelta(hours=1)
    assert busy.workers == [WorkerInfo("busy", "default", "busy", job_id, "host", 12, "abc", birth, beat)]
    assert idle.workers == [WorkerInfo("idle", "other", "idle", None, "host", None, "", None, NOW)]


@pytest.mark.usefixtures("frozen")
def test_workers_that_are_silent_dead_gone_or_damaged_are_left_out(
    adapter: QueueAdapter, register: Callable[..., None], client: redis.Redis, keys: Keys
) -> None:
    register("alive", silence=WORKER_SILENCE - 1)
    register("silent", silence=WORKER_SILENCE)
    register("dead", death=format_time(NOW))
    register("mute", last_heartbeat="")
    register("gone")
    client.delete(keys.worker("gone"))
    register("damaged-pid", pid="x")
    register("damaged-beat", last_heartbeat="now")
    register("damaged-birth", birth="0001-01-01T00:00:00+14:00")
    assert [worker.name for worker in adapter.queues(["default"])[0].workers] == ["alive"]


def test_the_job_of_a_worker_by_hand_is_its_worker_s_job(
    adapter: QueueAdapter, register: Callable[..., None], submit: Submit, worker: WorkerByHand
) -> None:
    register(worker.name, last_heartbeat=format_time(datetime.now(UTC)))
    job = submit("odd.add")
    run = worker.begin()
    assert adapter.queues(["default"])[0].workers[0].job == job.id
    worker.end(*run)
    assert adapter.queues(["default"])[0].workers[0].job is None
