"""The figures for CloudWatch are in its embedded metric format, and right."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from chalice.test import Client

import app
from chalicelib.metrics import UNITS, document
from coatcheck.adapter import QueueInfo, WorkerInfo
from coatcheck.errors import UnavailableError
from coatcheck.job import Job


def queue(queued: int, started: int, workers: int, oldest: float | None) -> QueueInfo:
    now = datetime.now(UTC)
    counts = {"queued": queued, "scheduled": 1, "started": started, "failed": 2}
    worker = WorkerInfo("w", "default", "busy", None, "host", 1, "v", now, now)
    return QueueInfo("default", counts, oldest, [worker] * workers)


def test_the_line_is_in_the_embedded_metric_format() -> None:
    line = document([queue(3, 1, 2, 4.5)], "live", 1_700_000_000_000)
    assert "\n" not in line
    data = json.loads(line)
    (directive,) = data["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Coatcheck"
    assert directive["Dimensions"] == [["Stack"]]
    assert data["_aws"]["Timestamp"] == 1_700_000_000_000
    assert data["Stack"] == "live"
    assert {metric["Name"] for metric in directive["Metrics"]} == set(UNITS) < set(data)
    assert all(isinstance(data[name], int | float) for name in UNITS)


def test_all_queues_are_added_up() -> None:
    data = json.loads(document([queue(3, 1, 2, 4.5), queue(5, 0, 1, 9.0)], "live", 0))
    assert (data["QueuedJobs"], data["StartedJobs"], data["ScheduledJobs"], data["FailedJobs"]) == (
        8,
        1,
        2,
        4,
    )
    assert (data["Workers"], data["BacklogPerWorker"], data["OldestWait"]) == (3, 3.0, 9.0)


def test_without_a_worker_the_backlog_is_all_that_waits() -> None:
    data = json.loads(document([queue(7, 0, 0, None)], "live", 0))
    assert (data["Workers"], data["BacklogPerWorker"], data["OldestWait"]) == (0, 7.0, 0.0)


def invoke() -> None:
    with Client(app.app) as client:
        event = client.events.generate_cw_event("aws.events", "Scheduled Event", {}, [])
        client.lambda_.invoke("publish_metrics", event)


@pytest.mark.usefixtures("context")
def test_the_scheduled_function_prints_one_line(
    submit: Callable[..., Job], capsys: pytest.CaptureFixture[str]
) -> None:
    submit("odd.add", {"left": 1})
    invoke()
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["QueuedJobs"] == 1


def test_while_redis_is_away_it_prints_nothing(
    change: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    change(redis_url="redis://127.0.0.1:1")
    with pytest.raises(UnavailableError):
        invoke()
    assert capsys.readouterr().out == ""
