"""Each run has its span, however it ends, and none is lost when a process ends in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job
from coatcheck.keys import Keys
from tests.support.collector import Collector
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

Start = Callable[..., PoolProcess]
NEVER = {"OTEL_BSP_SCHEDULE_DELAY": "600000"}
"""Spans are sent only where a process is told to."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def until(adapter: QueueAdapter, job: Job, status: str) -> None:
    eventually(lambda: adapter.get(job.id).status == status, what=f"job is {status}")


def test_the_last_spans_are_sent_when_workers_stop(
    adapter: QueueAdapter, submit: Callable[..., Job], start_pool: Start, collector: Collector
) -> None:
    pool = start_pool(**collector.environment, **NEVER)
    until(adapter, submit("odd.inner_span"), "finished")
    assert collector.spans == []
    assert pool.terminate() == 0
    assert {span.name for span in collector.spans} == {"run default", "inner"}
    [run] = collector.named("run default")
    assert run.parent_id == "", "submitted without a trace, so its run begins one"


def test_a_horse_that_is_replaced_sends_its_spans(
    adapter: QueueAdapter, submit: Callable[..., Job], start_pool: Start, collector: Collector
) -> None:
    start_pool(**collector.environment, **NEVER, WORKER_JOBS_PER_PROCESS="1")
    until(adapter, submit("odd.add", {"left": 1}), "finished")
    [run] = collector.named("run default")
    assert run.attributes["coatcheck.outcome"] == "finished"


def test_a_stopped_and_an_overdue_run_are_told_by_the_worker(
    adapter: QueueAdapter,
    submit: Callable[..., Job],
    start_pool: Start,
    collector: Collector,
    tmp_path: Path,
) -> None:
    start_pool(**collector.environment)
    files = {"path": str(tmp_path / "never"), "journal": str(tmp_path / "journal")}
    stopped = submit("odd.wait_for", files)
    until(adapter, stopped, "started")
    adapter.cancel(stopped.id)
    until(adapter, stopped, "stopped")
    until(adapter, submit("odd.wait_for", files, timeout=1), "failed")
    first, second = collector.named("run default", 2)
    assert (first.attributes["coatcheck.outcome"], first.failed) == ("stopped", False)
    assert (second.attributes["error.type"], second.failed) == ("Timeout", True)
    assert first.start < first.end <= second.start


def test_children_are_in_the_trace_of_their_parent(
    adapter: QueueAdapter, submit: Callable[..., Job], start_pool: Start, collector: Collector
) -> None:
    start_pool(**collector.environment)
    until(adapter, submit("family.one"), "finished")
    parent, child = sorted(collector.named("run default", 2), key=lambda span: span.parent_id)
    [sent] = collector.named("submit default")
    assert (parent.parent_id, sent.parent_id) == ("", parent.span_id)
    assert {parent.trace_id} == {sent.trace_id, child.trace_id}
    assert sent.attributes["messaging.message.id"] == child.attributes["messaging.message.id"]


def test_a_planted_context_is_no_context(
    adapter: QueueAdapter,
    submit: Callable[..., Job],
    start_pool: Start,
    collector: Collector,
    client: redis.Redis,
    keys: Keys,
) -> None:
    job = submit("odd.add", {"left": 1})
    client.hset(
        keys.job(job.id), mapping={"traceparent": "00-../../etc-01\r\n", "tracestate": b"\xff" * 9000}
    )
    start_pool(**collector.environment)
    until(adapter, job, "finished")
    [run] = collector.named("run default")
    assert run.parent_id == ""


def test_without_its_library_workers_do_not_start(
    start_pool: Start, collector: Collector, tmp_path: Path
) -> None:
    package = tmp_path / "opentelemetry"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('not here', name='opentelemetry')")
    root = Path(__file__).parents[2]
    pool = start_pool(**collector.environment, PYTHONPATH=f"{tmp_path}:{root}")
    assert pool.process.wait(60) == 78
    assert "OTEL_TRACES_EXPORTER=otlp needs opentelemetry-sdk" in pool.text()
