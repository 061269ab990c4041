"""What somebody plants in Redis before a real pool of workers: nothing of it runs, and the work goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text
from coatcheck.doctor import examine
from coatcheck.job import Job, JobStatus
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.support.hostile import JOBS, SHAPES, Planter
from tests.support.polling import eventually
from tests.support.processes import PoolProcess


def ended(adapter: QueueAdapter, job: Job) -> Job:
    def look() -> Job | None:
        now = adapter.get(job.id)
        return now if now.ended else None

    return eventually(look, seconds=90)


def status(client: redis.Redis, keys: Keys, job_id: str) -> str:
    if client.type(keys.job(job_id)) != b"hash":
        return "none"
    return as_text(client.hget(keys.job(job_id), "status"))


def test_of_what_is_planted_nothing_runs_and_all_else_goes_on(
    start_pool: Callable[..., PoolProcess],
    submit: Callable[..., Job],
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    planted: dict[str, str] = {}
    good = []
    for name, plant in SHAPES.items():
        planted[name] = plant(Planter(client, keys, str(trace)))
        good.append(submit("odd.add", {"left": 1}))
    pool = start_pool(WORKER_PROCESSES="2", WORKER_UNKNOWN_TASK_WAIT="0")
    for job in good:
        done = ended(adapter, job)
        assert (done.status, done.result) == (JobStatus.FINISHED, 3), pool.text()

    over = {"finished", "failed", "stopped", "canceled", "none"}
    odd = {"a status of nobody", "a status that is no text"}  # they wait for nobody
    left = {name: planted[name] for name in JOBS.keys() - odd}

    def all_over() -> bool:
        for name in [name for name, job_id in left.items() if status(client, keys, job_id) in over]:
            del left[name]
        return not left

    eventually(all_over, what=str(left))
    assert not trace.exists(), pool.text()
    assert pool.process.poll() is None
    late = submit("odd.add", {"left": 40})
    assert eventually(lambda: adapter.get(late.id).result) == 42
    assert "Traceback" not in pool.text()
    examine(client, settings, pause=0, healing=0)
