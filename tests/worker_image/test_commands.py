"""RQ's commands to a worker, which come from another thread and may come late."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job, JobStatus
from tests.worker_image.scripted import ScriptedHorse, play
from worker_image.worker import CoatcheckWorker

RESULT = {"result": "7"}


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


def tell(worker: CoatcheckWorker, command: str, job_id: str = "") -> None:
    """As RQ's thread does that listens for commands."""
    worker.handle_payload({"data": json.dumps({"command": command, "job_id": job_id}).encode()})


def test_a_client_stops_a_job(worker: CoatcheckWorker, horse: ScriptedHorse, run: Callable[[], Job]) -> None:
    horse.then = lambda: tell(worker, "stop-job", horse.run.job_id if horse.run else "")
    assert run().status is JobStatus.STOPPED


def test_rqs_kill_horse_fails_the_job(
    worker: CoatcheckWorker, horse: ScriptedHorse, run: Callable[[], Job]
) -> None:
    horse.looks = lambda: tell(worker, "kill-horse")
    job = run()
    assert job.status is JobStatus.FAILED and job.error and "by a command" in job.error.message


def test_a_stop_that_comes_late_does_not_hit_the_next_job(
    worker: CoatcheckWorker, horse: ScriptedHorse, run: Callable[[], Job]
) -> None:
    horse.then = lambda: tell(worker, "stop-job", "the job before")
    assert run().status is JobStatus.FINISHED


def test_a_command_between_two_jobs_is_forgotten(worker: CoatcheckWorker, run: Callable[[], Job]) -> None:
    tell(worker, "stop-job", "the job before")
    assert run().status is JobStatus.FINISHED
    tell(worker, "kill-horse")
    assert run().status is JobStatus.FINISHED
