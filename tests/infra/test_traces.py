"""One trace from a submission through the queue to the run: the whole product, and a real collector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.infra.product import Product, Start
from tests.support.collector import Collector, Span
from tests.support.polling import eventually

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TASKS = {"COATCHECK_TASKS": "tests.support.tasks"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def product(start: Start, collector: Collector) -> Product:
    """The product, with its traces going to the collector."""
    product = start("--workers", "1", **collector.environment, **TASKS, LOG_FORMAT="json")
    product.until_ready()
    return product


def chain(collector: Collector, job: str, task: str) -> list[Span]:
    """The request, the submission and the first run of a job, checked to be one trace."""

    def of_job(kind: str) -> list[Span]:
        spans = [span for span in collector.spans if span.kind == kind]
        return [span for span in spans if span.attributes.get("messaging.message.id") == job]

    [submit] = eventually(lambda: of_job("producer"))
    run = eventually(lambda: of_job("consumer"))[0]
    request = eventually(lambda: [s for s in collector.spans if s.span_id == submit.parent_id])[0]
    assert (request.kind, request.name) == ("server", "POST /tasks/{name}")
    assert {request.trace_id, submit.trace_id, run.trace_id} == {request.trace_id}
    assert run.parent_id == submit.span_id
    assert run.attributes["coatcheck.task"] == submit.attributes["coatcheck.task"] == task
    return [request, submit, run]


def test_a_job_is_one_trace_with_the_callers(product: Product, collector: Collector) -> None:
    headers = {"Content-Type": "application/json", "traceparent": CALLER, "tracestate": "vendor=1"}
    with urlopen(Request(f"{product.url}tasks/odd.inner_span", b"{}", headers)) as answer:
        job = answer.headers["Location"].rpartition("/")[2]
    result = product.until(job, "finished")["result"]
    request, submit, run = chain(collector, job, "odd.inner_span")
    assert request.trace_id == result == CALLER[3:35]
    assert request.parent_id == CALLER[36:52]
    assert (request.service, submit.service, run.service) == (
        "coatcheck-api",
        "coatcheck-api",
        "coatcheck-worker",
    )
    assert request.attributes["http.response.status_code"] == 202
    assert request.attributes["coatcheck.job"] == job
    assert (submit.name, run.name) == ("submit default", "run default")
    for span in (submit, run):
        assert span.attributes["messaging.system"] == "rq"
        assert span.attributes["messaging.destination.name"] == "default"
    assert run.attributes["coatcheck.attempt"] == 1
    assert 0 <= run.attributes["coatcheck.queue.wait"] < 30
    assert not run.failed
    [inner] = collector.named("inner")
    assert (inner.trace_id, inner.parent_id) == (run.trace_id, run.span_id)
    # The log's lines tell the trace too, and the job.
    lines = eventually(
        lambda: [line for line in product.log().splitlines() if job in line and "finished" in line]
    )
    assert all(f'"trace_id": "{run.trace_id}"' in line for line in lines)
    [api] = [line for line in product.log().splitlines() if "POST /tasks/odd.inner_span 202" in line]
    assert f'"job": "{job}"' in api and f'"trace_id": "{run.trace_id}"' in api


def test_each_attempt_of_a_job_is_a_run_and_tells_its_error(
    product: Product, collector: Collector, tmp_path: Path
) -> None:
    job = product.submit("odd.fail_until", {"path": str(tmp_path / "journal"), "times": 1})
    product.until(job, "finished")
    first, second = collector.named("run default", 2)
    _, submit, _ = chain(collector, job, "odd.fail_until")
    assert first.parent_id == second.parent_id == submit.span_id
    assert (first.attributes["coatcheck.attempt"], second.attributes["coatcheck.attempt"]) == (1, 2)
    assert first.failed and first.attributes["error.type"] == "RuntimeError"
    assert first.events["exception"]["exception.message"] == "run 1 fails"
    assert "RuntimeError" in first.events["exception"]["exception.stacktrace"]
    assert not second.failed


def test_a_run_whose_process_is_killed_is_told_by_its_worker(product: Product, collector: Collector) -> None:
    job = product.submit("odd.inner_span", {"kill": True})
    product.until(job, "failed")
    _, _, run = chain(collector, job, "odd.inner_span")
    assert run.failed and run.attributes["error.type"] == "WorkerLost"
    assert "SIGKILL" in run.message
    [inner] = collector.named("inner")
    assert inner.parent_id == run.span_id, "what the task had ended hangs below it"


def test_a_batch_is_one_span_and_its_jobs_follow_it(product: Product, collector: Collector) -> None:
    jobs: Any = product.ask(
        "/jobs", {"jobs": [{"task": "odd.add", "arguments": {"left": n}} for n in range(3)]}
    )
    runs = collector.named("run default", 3)
    [submit] = collector.named("submit default")
    assert submit.attributes["messaging.batch.message_count"] == 3
    assert {run.attributes["messaging.message.id"] for run in runs} == {job["id"] for job in jobs["jobs"]}
    assert {run.parent_id for run in runs} == {submit.span_id}


def test_without_a_collector_everything_goes_on(start: Start) -> None:
    product = start(
        "--workers",
        "1",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        **TASKS,
    )
    product.until_ready()
    job = product.submit("odd.talk", {"lines": 1})
    product.until(job, "finished")
    assert "127.0.0.1" not in product.ask(f"/jobs/{job}/log")["text"], "the exporter's troubles are no job's"
