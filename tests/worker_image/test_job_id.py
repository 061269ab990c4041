"""A task knows its job: each one its own, in every attempt the same."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job, JobStatus
from coatcheck.settings import Settings
from tests.support.polling import eventually
from tests.support.processes import ROOT, PoolProcess, environment

Submit = Callable[..., Job]
StartPool = Callable[..., PoolProcess]

PLAIN_RQ = """
import os
import redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer
connection = redis.Redis.from_url(os.environ["REDIS_URL"])
queue = Queue("default", connection=connection, serializer=JSONSerializer)
Worker([queue], connection=connection, serializer=JSONSerializer).work(burst=True)
"""


def ended(adapter: QueueAdapter, job: Job) -> Job:
    def over() -> Job | None:
        now = adapter.get(job.id)
        return now if now.ended else None

    return eventually(over, seconds=60, what=f"{job.task} ends")


def test_each_attempt_has_the_same_id_and_the_next_job_another(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    for name in ("one", "two"):
        journal = tmp_path / name
        job = ended(adapter, submit("named.plain", {"journal": str(journal)}, retries=1))
        assert (job.status, job.attempt) == (JobStatus.FINISHED, 2), job.error
        assert job.result == [job.id] * 2
        assert journal.read_text().split() == [job.id] * 2


def test_async_tasks_that_run_at_once_have_each_their_own(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    journals = [tmp_path / str(number) for number in range(5)]
    arguments = [{"journal": str(journal), "name": "all", "count": 5} for journal in journals]
    jobs = [submit("named.together", each, retries=1) for each in arguments]
    for submitted, journal in zip(jobs, journals, strict=True):
        job = ended(adapter, submitted)
        assert (job.status, job.attempt) == (JobStatus.FINISHED, 2), job.error
        assert job.result == [job.id] * 3
        assert journal.read_text().split() == [job.id] * 2


def test_a_thread_that_no_task_is_known_to_have_started_is_told_so(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    start_pool()
    told = ended(adapter, submit("named.in_a_thread_of_its_own")).result
    assert told.startswith("job_id() was called by none of the tasks that run here")


def test_rqs_own_worker_tells_it_too(
    submit: Submit, adapter: QueueAdapter, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "journal").touch()  # so that it does not fail
    jobs = [submit("named.plain", {"journal": str(tmp_path / "journal")}) for _ in range(2)]
    subprocess.run(
        [sys.executable, "-c", PLAIN_RQ], cwd=ROOT, env=environment(settings), capture_output=True, check=True
    )
    for job in jobs:
        found = adapter.get(job.id)
        assert found.status is JobStatus.FINISHED, found.error
        assert found.result == [job.id] * 2
