"""A worker begins two more jobs while it runs a short one, and gives them back when that was a mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text
from coatcheck.job import JobStatus
from coatcheck.keys import Keys
from tests.support.invariants import violations
from tests.support.polling import eventually
from tests.worker_image.scripted import ScriptedHorse, play
from worker_image.worker import CoatcheckWorker

RESULT = {"result": "7"}
Look = Callable[[Callable[[str], object]], None]
LONG: list[list[dict[str, Any]]] = [[] for _ in range(100)]
"""Looks that bring nothing, for long enough that a task counts as long."""


@pytest.fixture
def look(worker: CoatcheckWorker, horse: ScriptedHorse) -> Look:
    """Has a function called at each look while a task runs, with the job's name, once Redis has answered."""

    def call(looked: Callable[[str], object]) -> None:
        def looks() -> None:
            eventually(lambda: not worker._runs._ends.sent or worker._delivery.answered(None))
            if worker._runs._running:
                looked(horse.runs[-1])

        horse.looks = looks

    return call


def run_all(worker: CoatcheckWorker) -> None:
    while taken := worker.dequeue_job_and_maintain_ttl(None):
        worker.execute_job(*taken)


def test_the_next_job_has_begun_before_the_last_ones_end_is_recorded(
    worker: CoatcheckWorker,
    horse: ScriptedHorse,
    look: Look,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
) -> None:
    jobs = adapter.submit([play(str(number), [RESULT]) for number in range(5)])
    begun: list[int] = []
    look(lambda _name: begun.append(client.zcard(keys.leases)))
    run_all(worker)
    assert horse.runs == ["0", "1", "2", "3", "4"]
    assert begun == [1, 3, 3, 2, 1], "the first is not known to be short; nothing waits behind the last"
    assert [adapter.get(job.id).result for job in jobs] == [7] * 5
    assert {adapter.get(job.id).attempt for job in jobs} == {1}


def test_they_are_given_back_when_the_task_before_it_takes_long(
    worker: CoatcheckWorker,
    horse: ScriptedHorse,
    look: Look,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
) -> None:
    jobs = adapter.submit(
        [
            play("short", [RESULT]),
            play("long", *LONG, [RESULT]),
            play("behind", [RESULT]),
            play("next", [RESULT]),
            play("last", [RESULT]),
        ]
    )
    seen: list[list[JobStatus]] = []

    def looked(name: str) -> None:
        if name == "long":
            seen.append([adapter.get(job.id).status for job in jobs[2:]])
            assert violations(client, keys.prefix) == []

    look(looked)
    run_all(worker)
    assert seen[0] == [JobStatus.STARTED, JobStatus.STARTED, JobStatus.QUEUED]
    assert seen[-1] == [JobStatus.QUEUED] * 3, "another worker may have them"
    assert horse.runs == ["short", "long", "behind", "next", "last"], "they went to the head of the queue"
    for job in [adapter.get(job.id) for job in jobs[2:]]:
        assert (job.status, job.attempt, job.interrupted) == (JobStatus.FINISHED, 1, 0)
        assert client.hget(keys.job(job.id), "lost") is None


@pytest.mark.parametrize("why", ["may run only once", "lost a worker"])
def test_some_jobs_are_never_begun_ahead(
    why: str,
    worker: CoatcheckWorker,
    horse: ScriptedHorse,
    look: Look,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
) -> None:
    options: dict[str, Any] = {"retries": 0} if why == "may run only once" else {}
    jobs = adapter.submit(
        [
            play("a", [RESULT]),
            play("b", [], [], [RESULT]),
            play("it", [RESULT], **options),
            play("d", [RESULT]),
        ]
    )
    if not options:
        client.hset(keys.job(jobs[2].id), "lost", 1)
    held: set[str] = set()

    def looked(name: str) -> None:
        if name == "b":
            held.update(as_text(member).partition(":")[0] for member in client.zrange(keys.leases, 0, -1))

    look(looked)
    run_all(worker)
    assert held == {jobs[1].id}
    assert horse.runs == ["a", "b", "it", "d"]
    assert [adapter.get(job.id).status for job in jobs] == [JobStatus.FINISHED] * 4


def test_a_worker_that_is_told_to_stop_gives_it_back_at_once(
    worker: CoatcheckWorker, horse: ScriptedHorse, adapter: QueueAdapter
) -> None:
    jobs = adapter.submit([play("a", [RESULT]), play("b", [], [RESULT]), play("behind", [RESULT])])

    def stop() -> None:
        if horse.runs[-1] == "b":
            worker._orders.stop_within(60)

    horse.then = stop
    taken = worker.dequeue_job_and_maintain_ttl(None)
    assert taken is not None
    worker.execute_job(*taken)
    assert horse.runs == ["a", "b"]
    found = [adapter.get(job.id) for job in jobs]
    assert [job.status for job in found] == [JobStatus.FINISHED, JobStatus.FINISHED, JobStatus.QUEUED]
    assert (found[2].attempt, found[2].interrupted, found[2].started_at) == (0, 0, None)


def test_a_client_stops_it_before_it_runs(
    worker: CoatcheckWorker, horse: ScriptedHorse, adapter: QueueAdapter
) -> None:
    jobs = adapter.submit([play("a", [RESULT]), play("b", [], [], [RESULT]), play("behind", [RESULT])])

    def stop() -> None:
        if horse.runs[-1] == "b":
            adapter.cancel(jobs[2].id)
            worker._orders.end(jobs[2].id, wanted=True)

    horse.then = stop
    run_all(worker)
    assert horse.runs == ["a", "b"]
    assert adapter.get(jobs[2].id).status is JobStatus.STOPPED


def test_when_the_process_of_the_task_before_it_dies_it_is_not_to_blame(
    worker: CoatcheckWorker, horse: ScriptedHorse, adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    jobs = adapter.submit(
        [play("a", [RESULT]), play("b", [], [{"died": "the work-horse was ended"}]), play("behind", [RESULT])]
    )
    run_all(worker)
    found = [adapter.get(job.id) for job in jobs]
    assert [job.status for job in found] == [JobStatus.FINISHED, JobStatus.FAILED, JobStatus.FINISHED]
    assert (found[2].attempt, found[2].interrupted) == (1, 0)
    assert client.hget(keys.job(jobs[2].id), "lost") is None
