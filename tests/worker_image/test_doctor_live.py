"""The doctor beside a system that works: no false alarm, however fast jobs come and go."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.doctor import examine, repair
from coatcheck.job import Job, JobStatus, Submission
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

Submit = Callable[..., Job]
StartPool = Callable[..., PoolProcess]
JOBS = 2000


def test_pools_that_run_thousands_of_quick_jobs_give_no_finding(
    start_pool: StartPool, adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    for _ in range(2):
        start_pool(WORKER_PROCESSES="2", WORKER_LEASE="12")
    eventually(lambda: client.scard(keys.workers) == 4)
    looks = 0
    for batch in count():
        submissions = [
            # Some expire while the doctor looks, some fail, some come again after their schedule.
            Submission(
                "odd.add", {"left": "x" if number % 10 == 0 else number}, "default", 60, 1 + number % 3
            )
            for number in range(500)
        ]
        if batch * 500 < JOBS:
            jobs = adapter.submit(submissions)
            adapter.cancel(jobs[-1].id)
        elif not client.llen(keys.queue("default")):
            break
        assert examine(client, settings, pause=0, healing=0) == []
        looks += 1
    assert looks >= JOBS / 500


def test_a_running_job_is_healthy_and_a_repair_beside_it_disturbs_nothing(
    start_pool: StartPool,
    submit: Submit,
    adapter: QueueAdapter,
    client: redis.Redis,
    settings: Settings,
    tmp_path: Path,
) -> None:
    start_pool()
    go = tmp_path / "go"
    job = submit("odd.wait_for", {"path": str(go), "journal": str(tmp_path / "journal")})
    eventually(lambda: adapter.get(job.id).progress)
    assert list(repair(client, settings, examine(client, settings, pause=0, healing=0))) == []
    go.touch()
    eventually(lambda: adapter.get(job.id).status is JobStatus.FINISHED)
    assert adapter.get(job.id).interrupted == 0


def test_what_a_pool_mends_by_itself_in_time_is_no_finding(
    start_pool: StartPool, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    start_pool()
    eventually(lambda: client.scard(keys.workers) == len(settings.queues))
    client.sadd(keys.workers, keys.worker("gone"))
    assert examine(client, settings, pause=0) == []


def test_what_a_killed_pool_leaves_is_found_mended_and_runs_again(
    start_pool: StartPool,
    submit: Submit,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    tmp_path: Path,
) -> None:
    settings = replace(settings, worker_lease=600)
    pool = start_pool(WORKER_LEASE="600")
    job = submit("odd.wait_for", {"path": str(tmp_path / "go"), "journal": str(tmp_path / "journal")})
    worker = eventually(lambda: adapter.get(job.id).worker)
    pid = int(client.hget(keys.worker(worker), "pid") or 0)
    for number in (pool.process.pid, pid):
        os.kill(number, signal.SIGKILL)
    pool.process.wait()
    client.delete(keys.worker(worker))  # as its time to live would, after 80 seconds
    found = examine(client, settings, pause=0, healing=0)
    assert {finding.kind for finding in found} == {"started-without-worker", "worker-gone"}
    assert all(done.done for done in repair(client, settings, found))
    assert examine(client, settings, pause=0, healing=0) == []
    assert adapter.get(job.id).status is JobStatus.QUEUED
    (tmp_path / "go").touch()
    start_pool()
    eventually(lambda: adapter.get(job.id).status is JobStatus.FINISHED)
