"""RQ's commands to a worker, which come from another thread and may come late."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job, JobStatus, utcnow
from coatcheck.settings import Settings
from tests.worker_image.scripted import ScriptedHorse, play
from worker_image.horse_process import HorseProcess
from worker_image.worker import CoatcheckWorker

RESULT = {"result": "7"}


@pytest.fixture
def horse() -> ScriptedHorse:
    return ScriptedHorse()


@pytest.fixture
def worker(settings: Settings, client: redis.Redis, horse: ScriptedHorse) -> CoatcheckWorker:
    worker = CoatcheckWorker("default", settings, client)
    worker.redis_worker_namespace_prefix = f"{settings.prefix}:worker:"
    worker.birth_date = utcnow()
    worker._horse = cast(HorseProcess, horse)
    return worker


@pytest.fixture
def run(worker: CoatcheckWorker, adapter: QueueAdapter) -> Callable[[], Job]:
    """Runs one job, and returns what became of it."""

    def run() -> Job:
        (job,) = adapter.submit([play("one", [], [RESULT])])
        taken = worker.dequeue_job_and_maintain_ttl(None)
        assert taken is not None
        worker.execute_job(*taken)
        return adapter.get(job.id)

    return run


def stop(worker: CoatcheckWorker, job_id: str | None) -> None:
    """As RQ's handler of stop-job does it."""
    worker._stopped_job_id = job_id
    worker.kill_horse()


def test_a_client_stops_a_job(worker: CoatcheckWorker, horse: ScriptedHorse, run: Callable[[], Job]) -> None:
    horse.then = lambda: stop(worker, worker.get_current_job_id())
    assert run().status is JobStatus.STOPPED


def test_rqs_kill_horse_fails_the_job(
    worker: CoatcheckWorker, horse: ScriptedHorse, run: Callable[[], Job]
) -> None:
    horse.then = worker.kill_horse
    job = run()
    assert job.status is JobStatus.FAILED and job.error and "by a command" in job.error.message


def test_a_stop_that_comes_late_does_not_hit_the_next_job(
    worker: CoatcheckWorker, horse: ScriptedHorse, run: Callable[[], Job]
) -> None:
    horse.then = lambda: stop(worker, "the job before")
    assert run().status is JobStatus.FINISHED


def test_a_command_between_two_jobs_is_forgotten(worker: CoatcheckWorker, run: Callable[[], Job]) -> None:
    stop(worker, "the job before")
    assert run().status is JobStatus.FINISHED
    worker.kill_horse()
    assert run().status is JobStatus.FINISHED
