"""Every benchmark still runs and measures all that it should: one round of little work, no time asserted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.systems import PEERS
from tests.support.missing import missing
from tests.support.processes import ROOT

GOALS = {
    "throughput": [
        "coatcheck / rq worker",
        "coatcheck / rq SimpleWorker",
        "coatcheck / Celery, prefork 1",
        "coatcheck / SAQ",
        "coatcheck / dramatiq",
        "coatcheck / Huey",
        "coatcheck / bare scripts",
        "two processes / one",
    ],
    "breakdown": [],
    "asynchronous": ["1,000 tasks that wait 0.1 s"],
    "requests": [
        "submit: (handler - plain Chalice) / SET",
        "status: (handler - plain Chalice) / GET",
        "batch: adapter.submit",
        "batch: adapter.submit / enqueue_many",
        "GET /jobs/ID: coatcheck up",
        "memory: coatcheck / RQ",
    ],
    "authorisation": ["a status request with 10,000 tokens / without"],
    "waiting": [
        "late, p50: asking each 500 ms / waiting",
        "late, p99: waiting",
        "submission: 1,000 wait / nobody",
    ],
    "package": ["import: coatcheck package / chalice package", "first request after the import"],
    "files": [
        "memory for 1 GB: API",
        "memory for 1 GB: worker",
        "memory for 1 GB: work-horse",
        "memory for 1 GB: client",
    ],
    "growth": [
        "submit: large / small",
        "take, begin, finish: large / small",
        "status: large / small",
        "queues: large / small",
        "list: large / small",
        "list status=finished: large / small",
    ],
}
"""The goals of each that its table must name."""


def test_every_benchmark_is_tried() -> None:
    assert set(GOALS) == set(BENCHMARKS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", GOALS)
def test_it_runs_and_names_its_goals(name: str) -> None:
    if sys.platform != "linux":
        pytest.skip("the benchmarks read /proc")
    if not PEERS.exists():
        missing("the other queues (make .venv/bench/.installed)")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", name],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for goal in GOALS[name]:
        assert f"| {goal}" in done.stdout
