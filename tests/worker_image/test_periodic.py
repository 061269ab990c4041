"""Real pools run periodic tasks: each tick once, whoever of them dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job, JobStatus, submitted_at_ms
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

TASKS = """\
from coatcheck import task

@task(every=1, arguments={"number": 7}, overlap="queue", catch_up="all")
def periodic(number: int) -> int:
    return number
"""
TICKS = 6


def test_each_tick_is_run_once_though_a_pool_is_killed(
    start_pool: Callable[..., PoolProcess], adapter: QueueAdapter, tmp_path: Path
) -> None:
    package = tmp_path / "periodic_tasks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "mine.py").write_text(TASKS)
    path = f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"
    first, _second = (start_pool(COATCHECK_TASKS="periodic_tasks", PYTHONPATH=path) for _ in range(2))

    def finished() -> list[Job]:
        return adapter.list(status=JobStatus.FINISHED, limit=200).jobs

    eventually(lambda: len(finished()) >= 2)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    jobs = eventually(lambda: found if len(found := finished()) >= TICKS else None, seconds=60)
    assert {job.task for job in jobs} == {"mine.periodic"}
    assert {adapter.get(job.id).result for job in jobs} == {7}
    ticks = sorted(submitted_at_ms(job.id) for job in jobs)
    assert ticks == list(range(ticks[0], ticks[0] + 1000 * len(ticks), 1000)), "every second, once"
