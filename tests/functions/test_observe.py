"""Each change and each error is a line of the log, with the job that it is about."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coatcheck.adapter import QueueAdapter
from coatcheck.log_lines import JSONFormatter
from coatcheck.settings import Settings
from tests.functions.client import FUNCTIONS, Api
from tests.support.collector import Collector

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def lines(
    change: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> Callable[[], list[dict[str, Any]]]:
    """What was logged since the last call, in JSON."""
    change(log_format="json")
    caplog.set_level(logging.INFO, "coatcheck.functions")
    caplog.handler.setFormatter(JSONFormatter())

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in caplog.text.splitlines()]
        caplog.clear()
        return found

    return lines


def test_a_submission_tells_its_job(api: Api, lines: Callable[[], list[dict[str, Any]]]) -> None:
    job = api.post("/tasks/examples.short_task").json["id"]
    [line] = lines()
    assert line["message"].startswith("POST /tasks/examples.short_task 202 ")
    assert line["message"].endswith(f" job {job}")
    assert line["level"] == "info"
    assert (line["method"], line["path"], line["status"]) == ("POST", "/tasks/examples.short_task", 202)
    assert (line["job"], line["task"]) == (job, "examples.short_task")
    assert line["duration"] >= 0
    assert "trace_id" not in line


def test_a_batch_tells_all(api: Api, lines: Callable[[], list[dict[str, Any]]]) -> None:
    batch = api.post(
        "/jobs", {"jobs": [{"task": "examples.short_task"}, {"task": "examples.task_raises_error"}]}
    ).json
    [line] = lines()
    assert line["jobs"] == [job["id"] for job in batch["jobs"]]
    assert line["task"] == "examples.short_task,examples.task_raises_error"
    assert line["message"].endswith(" 2 jobs")


def test_cancel_and_retry_tell_the_task(api: Api, lines: Callable[[], list[dict[str, Any]]]) -> None:
    job = api.post("/tasks/examples.short_task").json["id"]
    api.delete(f"/jobs/{job}")
    api.post(f"/jobs/{job}/retry")
    assert [(line["job"], line["task"]) for line in lines()] == [(job, "examples.short_task")] * 3


def test_reading_is_silent_and_errors_are_not(
    api: Api, adapter: QueueAdapter, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    job = api.post("/tasks/examples.short_task").json["id"]
    lines()
    api.get(f"/jobs/{job}")
    assert lines() == []
    unknown = job[:-1] + ("0" if job[-1] != "0" else "1")
    api.get(f"/jobs/{unknown}")
    api.get("/jobs/not\nan-id")
    api.delete(f"/jobs/{unknown}")
    found = lines()
    assert [line["status"] for line in found] == [404, 404, 404]
    assert [line.get("job") for line in found] == [unknown, None, unknown]


def test_an_outage_is_a_warning(
    api: Api, change: Callable[..., None], lines: Callable[[], list[dict[str, Any]]]
) -> None:
    change(log_format="json", redis_url="redis://127.0.0.1:1")
    api.post("/tasks/examples.short_task")
    why, line = lines()
    assert why["level"] == line["level"] == "warning"
    assert why["path"] == line["path"] == "/tasks/examples.short_task"
    assert line["status"] == 503


def test_as_text_a_request_has_no_line_here(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "coatcheck.functions")
    api.post("/tasks/examples.short_task")
    assert caplog.records == []


CODE = """
import json, logging, sys
sys.path.insert(0, sys.argv[1])
if sys.argv[3] == "False":  # as if they were not installed: redis-py imports what it finds of OpenTelemetry
    sys.modules["opentelemetry"] = sys.modules["prometheus_client"] = None
from app import app
event = {"resource": "/tasks/{name}", "path": "/tasks/t.t", "httpMethod": "POST",
  "headers": {"content-type": "application/json", "traceparent": sys.argv[2]},
  "pathParameters": {"name": "t.t"}, "multiValueQueryStringParameters": None, "stageVariables": None,
  "requestContext": {"httpMethod": "POST", "resourcePath": "/tasks/{name}", "path": "/api/tasks/t.t"},
  "body": "{}", "isBase64Encoded": False}
class Context:
    aws_request_id = "request-1"
    def get_remaining_time_in_millis(self):
        return 28_000
answer = app(event, Context())
print(answer["statusCode"], "opentelemetry.sdk.trace" in sys.modules, flush=True)
import os
os._exit(0)  # frozen, as Lambda does
"""


@pytest.mark.parametrize("on", [True, False])
def test_in_lambda_spans_are_sent_before_the_answer_and_off_costs_nothing(
    settings: Settings, tmp_path: Path, on: bool
) -> None:
    catalog = {"name": "t.t", "title": "T", "description": "", "schema": {"type": "object"}, "result": {}}
    options = dict.fromkeys(("queue", "timeout", "retries", "retry_delays", "result_ttl"))
    file = tmp_path / "catalog.json"
    file.write_text(
        json.dumps({"format": 1, "version": "", "tasks": [{**catalog, **options, "retry_delays": []}]})
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(FUNCTIONS.parent),
        "AWS_LAMBDA_FUNCTION_NAME": "coatcheck-api",
        "REDIS_URL": settings.redis_url,
        "COATCHECK_NAMESPACE": settings.namespace,
        "COATCHECK_CATALOG": str(file),
        "LOG_FORMAT": "json",
    }
    with Collector() as collector:
        environment |= collector.environment if on else {}
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(FUNCTIONS), CALLER, str(on)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stdout.split() == ["202", str(on)]
        [line] = [json.loads(line) for line in done.stderr.splitlines()]
        assert (line["request"], line["status"]) == ("request-1", 202)
        assert {span.name for span in collector.spans} == (
            {"POST /tasks/{name}", "submit default"} if on else set()
        )
        assert line.get("trace_id") == (CALLER[3:35] if on else None)
