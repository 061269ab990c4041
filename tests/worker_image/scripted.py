"""Work-horses that do what the job's own arguments say, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from coatcheck.job import Submission
from worker_image.horses import Horses
from worker_image.run import Run
from worker_image.worker import CoatcheckWorker

LONGEST_LOOK = 0.005
"""Seconds that a look takes that brings nothing."""


class ScriptedHorse:
    """Stands in for the process that runs the tasks, which has no connection to Redis.

    With a real one the number of the worker's commands would depend on when its output arrives. Here a job's
    argument ``reports`` lists what each look at the horse brings; ``runs`` has the name of each job that was
    started, ``then`` is called after the first look at a job, ``looks`` before each look. After a report that
    asks for a child nothing more comes until it is answered; ``answers`` has the answers.
    """

    version = "scripted"
    tasks = frozenset({"play"})
    asynchronous: frozenset[str] = frozenset()
    ready = True
    blocked_by = None

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.then: Callable[[], object] = lambda: None
        self.looks: Callable[[], object] = lambda: None
        self.run: Run | None = None
        self.seen = True
        self.reports: Iterator[list[dict[str, Any]]] = iter(())
        self.answers: list[dict[str, Any]] = []
        self.waits = False

    def start(self, run: Run) -> None:
        self.run = run
        self.runs.append(run.arguments["name"])
        self.reports = iter(run.arguments["reports"])
        self.seen = self.waits = False

    def answer(self, number: int, document: dict[str, Any]) -> None:
        self.answers.append(document)
        self.waits = False


class ScriptedHorses:
    """The one scripted horse, as the worker's set of them."""

    elsewhere = None
    """Nobody knows whether Redis has answered: the connection is asked."""

    def __init__(self, horse: ScriptedHorse) -> None:
        self.plain = self.concurrent = horse
        self.tasks, self.asynchronous = horse.tasks, horse.asynchronous

    def ready(self) -> ScriptedHorse:
        return self.plain

    def events(self, timeout: float) -> Iterator[tuple[ScriptedHorse, tuple[Run | None, dict[str, Any]]]]:
        self.plain.looks()
        reports = [] if self.plain.waits else next(self.plain.reports, [])
        if not reports:
            time.sleep(min(timeout, LONGEST_LOOK))
        for report in reports:
            self.plain.waits = "child" in report
            yield self.plain, (self.plain.run, report)
        if not self.plain.seen:
            self.plain.seen = True
            self.plain.then()

    def late(self) -> list[ScriptedHorse]:
        return []

    def close(self) -> None:
        pass

    def wake(self) -> None:
        pass

    def replace_worn(self, horse: ScriptedHorse) -> None:
        pass

    def kill(self, horse: ScriptedHorse) -> None:
        horse.reports = iter(())


def give(worker: CoatcheckWorker, horse: ScriptedHorse) -> None:
    """Have a worker that has begun nothing use the scripted horse."""
    worker._horses.close()
    for name in ("_opened", "_closing"):
        setattr(worker._delivery._outbox, name, lambda _socket: None)
    worker._horses = worker._runs._horses = cast(Horses, ScriptedHorses(horse))
    worker._orders.wake = lambda: None


def play(name: str, *reports: list[dict[str, Any]], **options: Any) -> Submission:
    """A job for the scripted horse: what it reports, look by look."""
    arguments = {"name": name, "reports": list(reports)}
    return Submission("play", arguments, "default", 60, 600, **options)
