"""What a pool of workers tells of its jobs: to Prometheus, and to CloudWatch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import ROOT, PoolProcess
from worker_image.emf import MAX_VALUES, Minutes

Start = Callable[..., PoolProcess]
OPTIONAL = [
    "coatcheck.tracing",
    "opentelemetry.sdk.trace",
    "prometheus_client",
    "worker_image.prometheus",
    "worker_image.emf",
]
"""Imported only where it is on. (Parts of OpenTelemetry that are there, redis-py imports by itself.)"""


def scrape(port: int) -> dict[tuple[str, tuple[str, ...]], float]:
    """All samples of a pool, by name and the values of their labels; nothing while it doesn't answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
    except URLError:
        return {}
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


def ended(adapter: QueueAdapter, job: Job) -> Job:
    """Wait for a job's end."""

    def check() -> Job | None:
        found = adapter.get(job.id)
        return found if found.ended else None

    return eventually(check)


def test_prometheus_gets_jobs_times_and_what_went_wrong(
    adapter: QueueAdapter, submit: Callable[..., Job], start_pool: Start, tmp_path: Path
) -> None:
    port = free_port()
    start_pool(WORKER_METRICS_PORT=str(port))
    jobs = [submit("odd.add", {"left": 1}) for _ in range(3)]
    jobs.append(submit("odd.fail_until", {"path": str(tmp_path / "runs"), "times": 1}, retries=1))
    jobs.append(submit("odd.exit_at_once", {"status": 3}))
    jobs.append(submit("odd.not_there", timeout=60))
    for job in jobs[:-1]:
        ended(adapter, job)

    wanted = {
        ("odd.add", "finished"): 3,
        ("odd.fail_until", "retried"): 1,
        ("odd.fail_until", "finished"): 1,
        ("odd.exit_at_once", "failed"): 1,
    }

    def all_there() -> dict[Any, float] | None:
        found = scrape(port)
        told = all(found.get(("coatcheck_worker_jobs_total", key)) == n for key, n in wanted.items())
        return (
            found if told and found.get(("coatcheck_worker_jobs_total", ("(unknown)", "unknown"))) else None
        )

    found = eventually(all_there)
    assert found["coatcheck_worker_run_seconds_count", ("odd.add",)] == 3
    assert found["coatcheck_worker_run_seconds_bucket", ("odd.add", "+Inf")] == 3
    assert found["coatcheck_worker_wait_seconds_count", ("default",)] >= 6
    assert found["coatcheck_worker_horse_starts_total", ()] == 3
    assert found["coatcheck_worker_worker_starts_total", ()] == 2
    assert found["coatcheck_worker_leases_lost_total", ()] == 0
    assert sum(found["coatcheck_worker_processes", (state,)] for state in ("busy", "idle")) == 2
    assert "odd.not_there" not in str(found), "what is written to Redis makes no labels"
    with pytest.raises(HTTPError):
        urlopen(f"http://127.0.0.1:{port}/other", timeout=10)


def test_a_lost_worker_is_counted_by_the_pool(
    adapter: QueueAdapter, submit: Callable[..., Job], start_pool: Start, tmp_path: Path
) -> None:
    port = free_port()
    start_pool(WORKER_METRICS_PORT=str(port))
    ended(adapter, submit("odd.kill_worker", {"journal": str(tmp_path / "journal")}, retries=0))

    def counted() -> bool:
        found = scrape(port)
        lost = found.get(("coatcheck_worker_leases_lost_total", ()))
        return lost == 1 and found["coatcheck_worker_worker_starts_total", ()] == 3

    eventually(counted)


def test_a_port_that_is_taken_is_a_fault_at_the_start(start_pool: Start) -> None:
    port = free_port()
    start_pool(WORKER_METRICS_PORT=str(port))
    eventually(lambda: scrape(port))
    second = start_pool(WORKER_METRICS_PORT=str(port))
    assert second.process.wait(30) == 78
    assert f"WORKER_METRICS_PORT={port} can't be listened on" in second.text()


def test_cloudwatch_gets_a_line_for_each_task(
    adapter: QueueAdapter, submit: Callable[..., Job], start_pool: Start
) -> None:
    pool = start_pool(WORKER_METRICS="emf", COATCHECK_STACK="live", LOG_FORMAT="json")
    for job in [submit("odd.add", {"left": 1}), submit("odd.add", {"left": 1}), submit("odd.system_exit")]:
        ended(adapter, job)
    assert pool.terminate() == 0
    found = [line for line in map(json.loads, pool.text().splitlines()) if "_aws" in line]
    by_task = {line.get("Task"): line for line in found}
    assert set(by_task) == {"odd.add", "odd.system_exit", None}
    add = by_task["odd.add"]
    assert (add["Stack"], add["FinishedRuns"], add["FailedRuns"]) == ("live", 2, 0)
    assert len(add["RunSeconds"]) == len(add["WaitSeconds"]) == 2
    assert (by_task["odd.system_exit"]["FailedRuns"], by_task[None]["WorkerStarts"]) == (1, 2)
    for line in found:
        [directive] = line["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == "Coatcheck"
        assert all(name in line for name in directive["Dimensions"][0])
        assert all(metric["Name"] in line for metric in directive["Metrics"])


def test_of_very_many_runs_a_sample_is_kept_and_all_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    minutes = Minutes("live")
    for number in range(1000):
        minutes.run("default", "odd.add", "finished", float(number), 0.0)
    minutes.close()
    line = json.loads(capsys.readouterr().out)
    assert line["FinishedRuns"] == 1000
    assert len(line["RunSeconds"]) == MAX_VALUES
    assert max(line["RunSeconds"]) > MAX_VALUES
    minutes.close()
    assert capsys.readouterr().out == ""


def test_what_is_off_is_not_imported(
    adapter: QueueAdapter, submit: Callable[..., Job], start_pool: Start
) -> None:
    start_pool()
    assert ended(adapter, submit("odd.imported", {"names": OPTIONAL})).result == []
    code = (
        "import sys; import worker_image.pool, worker_image.worker;"
        "from coatcheck.settings import load; from worker_image.pool_metrics import open_metrics;"
        "open_metrics(load({'REDIS_URL': 'redis://localhost'}), dict);"
        f"print([name for name in {OPTIONAL} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
