"""A graph of jobs whose workers are killed again and again: each step follows others, with their results."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from coatcheck.adapter import QueueAdapter
from coatcheck.job import JobStatus, Submission
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

SIZE = 40
KILLS = 8


def graph(rng: random.Random, journal: str) -> tuple[list[Submission], list[int]]:
    """Steps, each after some of the five before it; and how many there are on the longest way to each."""
    steps: list[Submission] = []
    depths: list[int] = []
    for number in range(SIZE):
        before = rng.sample(range(max(0, number - 5), number), min(number, rng.choice([0, 1, 2, 3])))
        arguments = {
            "journal": journal,
            "name": str(number),
            "seconds": rng.choice([0.0, 0.05, 0.3]),
            "fails": rng.choice([0, 0, 0, 1]),
            "before": [{"$result": steps[each].id} for each in before],
        }
        after = tuple(steps[each].id for each in before)
        steps.append(Submission("steps.step", arguments, "default", 60, 600, 2, after=after))
        depths.append(1 + max((depths[each] for each in before), default=0))
    return steps, depths


def test_killed_workers_change_neither_order_nor_results(
    adapter: QueueAdapter, start_pool: Callable[..., PoolProcess], tmp_path: Path
) -> None:
    rng, journal = random.Random(7), tmp_path / "journal"
    steps, depths = graph(rng, str(journal))
    for _ in range(2):
        start_pool(COATCHECK_TASKS="tests.support.graphs", COATCHECK_QUEUES="default", WORKER_PROCESSES="2")
    eventually(lambda: len(adapter.queues(["default"])[0].workers) == 4, seconds=60)
    adapter.submit(steps)

    def over() -> bool:
        return all(adapter.get(step.id).ended for step in steps)

    for _ in range(KILLS):
        time.sleep(rng.uniform(0.1, 0.5))
        busy = [worker.pid for worker in adapter.queues(["default"])[0].workers if worker.pid and worker.job]
        with suppress(ProcessLookupError, IndexError):
            os.kill(rng.choice(busy), signal.SIGKILL)
    eventually(over, seconds=120, what="all have ended")

    jobs = [adapter.get(step.id) for step in steps]
    assert [(job.status, job.error) for job in jobs] == [(JobStatus.FINISHED, None)] * SIZE
    assert [job.result for job in jobs] == depths
    begun: dict[str, list[int]] = {}
    returned: dict[str, int] = {}
    for line in journal.read_text().splitlines():
        what, name, moment = line.split()
        if what == "begins":
            begun.setdefault(steps[int(name)].id, []).append(int(moment))
        else:
            returned.setdefault(steps[int(name)].id, int(moment))
    for step in steps:
        for before in step.after:
            assert returned[before] < min(begun[step.id]), "it began before one that it comes after"
    assert sum(job.interrupted for job in jobs) > 0, "nobody was killed at work"
