"""What a worker tells of its runs: to its pool, to the log, and to whoever collects traces."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from typing import Any

from coatcheck.codec import decode_trace
from coatcheck.settings import Settings
from coatcheck.trace_context import open_tracing
from worker_image import spans
from worker_image.lifeline import BUSY, IDLE, SERVICE
from worker_image.run import Outcome, Run

FLUSH_SECONDS = 1.0
"""How often figures go to the pool: a job must not cost a message of its own."""
PER_LINE = 200
"""Most runs in one message."""
UNKNOWN = "(unknown)"
"""Stands for a task that the worker doesn't have: what is written to Redis must not make up labels."""


class Telemetry:
    """Takes the settings, the worker's name, and the pipe to its pool (-1: none)."""

    def __init__(self, settings: Settings, worker: str, pipe: int) -> None:
        self._settings = settings
        self._worker = worker
        self._pipe = pipe
        self._counts = pipe >= 0 and (settings.worker_metrics != "off" or settings.worker_metrics_port > 0)
        self._traces = settings.traces != "none"
        self._tasks: frozenset[str] = frozenset()
        self._runs: list[tuple[str, str, str, float, float]] = []
        self._events: Counter[str] = Counter()
        self._flushed = 0.0

    def began(self, run: Run) -> None:
        """A run begins. To be called once it has read the job's hash, if it can."""
        if self._counts or self._traces:
            run.waited = spans.waited(run.fields)
        if self._traces:
            run.span = spans.describe(run, decode_trace(run.fields), run.waited, self._worker)

    def busy(self) -> None:
        """Tell the pool that a job is being run."""
        self._tell(BUSY)

    def ended(self, run: Run, outcome: Outcome, status: str, seconds: float) -> None:
        """A run ended; takes the job's new status, and how long it ran."""
        if outcome.kind == "returned":
            return  # its task has not begun
        word = _word(outcome.kind, status)
        if run.span is not None and not outcome.by_task:
            self._report(run.span, outcome, word, seconds)
        if self._counts:
            task = run.task if run.task in self._tasks else UNKNOWN
            self._runs.append((run.queue, task, word, round(seconds, 4), round(run.waited, 4)))
            self.flush()

    def idle(self) -> None:
        """Nothing runs any more."""
        self._tell(IDLE)

    def redis_failed(self) -> None:
        """Redis could not be used."""
        self._events["redis_failures"] += 1

    def horse_started(self, tasks: frozenset[str]) -> None:
        """A work-horse runs; takes the names of its tasks."""
        self._tasks = tasks
        self._events["horse_starts"] += 1

    def flush(self, *, now: bool = False) -> None:
        """Hand the figures on to the pool, if the last time was long enough ago."""
        if not self._counts or not (self._runs or self._events):
            return
        if not now and time.monotonic() - self._flushed < FLUSH_SECONDS:
            return
        for first in range(0, max(1, len(self._runs)), PER_LINE):
            events, self._events = self._events, Counter()
            document = {"runs": self._runs[first : first + PER_LINE], "events": events}
            self._tell(json.dumps(document).encode() + b"\n")
        self._runs = []
        self._flushed = time.monotonic()

    def _report(self, span: dict[str, Any], outcome: Outcome, word: str, seconds: float) -> None:
        """The span of a run that its work-horse could not end."""
        tracing = open_tracing(self._settings, SERVICE)
        if tracing is not None and outcome.kind != "unknown":
            error = (outcome.error.type, outcome.error.message) if outcome.error else None
            if outcome.kind == "lost":
                error = ("LeaseLost", "the job was given to another worker")
            tracing.report_run(span, seconds, word, None if outcome.kind == "stopped" else error)

    def _tell(self, said: bytes) -> None:
        with contextlib.suppress(OSError):  # a pool that is gone has told this worker to end
            while said and self._pipe >= 0:
                said = said[os.write(self._pipe, said) :]


def _word(kind: str, status: str) -> str:
    """How a run ended, in one word: a failed one that will be repeated is ``retried``."""
    if status.startswith("not recorded"):
        return "unrecorded"
    if kind == "failed" and status in ("queued", "scheduled"):
        return "retried"
    if kind == "suspect":
        return "interrupted"
    return "lost" if status == "lost" else kind
