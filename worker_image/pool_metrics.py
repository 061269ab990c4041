"""Gathers what the workers tell their pool of their runs, for Prometheus and for CloudWatch.

Only the pool outlives its workers. What gathers is imported only where a setting asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from coatcheck.settings import Settings

EVENTS = {
    "horse_starts": "Work-horse processes started: the first of each worker, and all that replaced one.",
    "worker_starts": "Worker processes started.",
    "leases_lost": "Runs whose worker showed no sign of life, found by this pool.",
    "redis_failures": "Failed calls of Redis.",
}
"""What is counted beside runs, and what it means."""


class Sink(Protocol):
    """Something that gathers figures."""

    def run(self, queue: str, task: str, outcome: str, seconds: float, waited: float) -> None:
        """Take the end of a run."""

    def event(self, name: str, number: int) -> None:
        """Take that something of EVENTS happened so many times."""

    def tick(self) -> None:
        """Called each second."""

    def close(self) -> None:
        """Called at the end."""


class PoolMetrics:
    """Takes what gathers."""

    def __init__(self, sinks: list[Sink]) -> None:
        self._sinks = sinks

    def heard(self, line: bytes) -> None:
        """Take a line that a worker wrote."""
        document = json.loads(line)
        for sink in self._sinks:
            for queue, task, outcome, seconds, waited in document["runs"]:
                sink.run(queue, task, outcome, seconds, waited)
        for name, number in document["events"].items():
            self.event(name, number)

    def event(self, name: str, number: int = 1) -> None:
        """Count something."""
        for sink in self._sinks:
            sink.event(name, number)

    def tick(self) -> None:
        """To be called each second."""
        for sink in self._sinks:
            sink.tick()

    def close(self) -> None:
        """To be called at the end."""
        for sink in self._sinks:
            sink.close()


def open_metrics(settings: Settings, states: Callable[[], dict[str, int]]) -> PoolMetrics:
    """What the settings ask for, which may be nothing. Takes what counts the workers by state.

    Raises SettingsError: the port can't be had.
    """
    sinks: list[Sink] = []
    if settings.worker_metrics_port:
        from worker_image.prometheus import Exporter

        sinks.append(Exporter(settings.worker_metrics_port, states))
    if settings.worker_metrics == "emf":
        from worker_image.emf import Minutes

        sinks.append(Minutes(settings.stack))
    return PoolMetrics(sinks)
