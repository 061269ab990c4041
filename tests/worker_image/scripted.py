"""A work-horse that does what the job's own arguments say, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from coatcheck.job import Submission


class ScriptedHorse:
    """Stands in for the process that runs the tasks, which has no connection to Redis.

    With a real one the number of the worker's commands would depend on when its output arrives. Here a job's
    argument ``reports`` lists what each look at the horse brings; ``runs`` has the name of each job that was
    started, ``then`` is called at the start of a job.
    """

    version = "scripted"
    tasks = frozenset({"play"})
    pid = 0
    memory = 0
    jobs_run = 0

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.then: Callable[[], object] = lambda: None
        self._reports: Iterator[list[dict[str, Any]]] = iter(())

    def start_job(self, task: str, arguments: dict[str, Any], timeout: int, *_span: Any) -> None:
        self.runs.append(arguments["name"])
        self._reports = iter(arguments["reports"])
        self.then()

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        yield from next(self._reports)

    def wake(self) -> None:
        pass

    def kill(self) -> None:
        pass


def play(name: str, *reports: list[dict[str, Any]], **options: Any) -> Submission:
    """A job for the scripted horse: what it reports, look by look."""
    arguments = {"name": name, "reports": list(reports)}
    return Submission("play", arguments, "default", 60, 600, **options)
