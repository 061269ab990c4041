"""The work-horse: a process that imports the tasks once and runs jobs one after another.

It has no connection to Redis. Jobs come and reports go over a socket, a JSON document on a line each;
what a task prints goes to standard output and error, which the worker reads from a pipe. When the
worker dies a second pipe ends, the lifeline, and the horse ends itself and whatever its task started: no
job runs on without a worker that renews its lease.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from types import FrameType
from typing import Any, NoReturn

from coatcheck.errors import CatalogError, SettingsError
from coatcheck.settings import Settings, load
from coatcheck.task import set_reporter
from coatcheck.trace_context import open_tracing
from worker_image import runner
from worker_image.builtin import builtin_tasks
from worker_image.discovery import Task, catalog_of, discover
from worker_image.lifeline import SERVICE

PROGRESS_INTERVAL = 0.1
"""Seconds between two reports of progress; what comes in between waits, the last one is always sent."""


class Reporter:
    """Sends reports to the worker, one line of JSON each."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._last = 0.0
        self._pending: tuple[float, str] | None = None

    def send(self, **report: Any) -> None:
        """Send one report. Safe from any thread of the task."""
        line = json.dumps(report).encode() + b"\n"
        with self._lock:
            self._channel.sendall(line)

    def progress(self, fraction: float, message: str) -> None:
        """Take a task's progress, and send it unless one was sent just before."""
        self._pending = (fraction, message[:500])
        if time.monotonic() - self._last >= PROGRESS_INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Send the progress that waits."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._last = time.monotonic()
            self.send(progress=pending)


def main() -> None:
    """Run jobs until the worker is gone. Its arguments are two file descriptors: socket and lifeline."""
    channel, lifeline = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    channel.set_inheritable(False)
    os.set_inheritable(lifeline, False)
    threading.Thread(target=_follow, args=(lifeline,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, _time_is_over)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    reporter = Reporter(channel)
    settings = load()
    try:
        tracing = open_tracing(settings, SERVICE)
        tasks = discover(settings.tasks)
    except (CatalogError, SettingsError) as error:
        reporter.send(broken=str(error))
        return
    if tracing is not None:
        # What a task's process logs is the job's log, and a collector that is away is none of its business.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    version, tasks = catalog_of(tasks).version, {**tasks, **builtin_tasks()}
    reporter.send(ready=version, tasks=list(tasks), traces=tracing is not None)
    set_reporter(reporter.progress)
    with channel.makefile("rb") as lines:
        for line in lines:
            job = json.loads(line)
            if "end" in job:
                break
            if tracing is None or job["span"] is None:
                report = _run(job, tasks, settings)
            else:
                with tracing.run(job["span"]) as ended:
                    report = _run(job, tasks, settings)
                    ended(report.get("error"))
            reporter.flush()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            reporter.send(**report, memory=_memory())
        else:
            _end()
    if tracing is not None:
        tracing.close()
    os._exit(0)


def _follow(lifeline: int) -> None:
    """Wait until the worker is gone."""
    while os.read(lifeline, 1):
        pass
    _end()


def _end() -> NoReturn:
    """End this process and all that its task started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _run(job: dict[str, Any], tasks: dict[str, Task], settings: Settings) -> dict[str, Any]:
    """Run a job. Returns what to report of its end."""
    try:
        signal.setitimer(signal.ITIMER_REAL, job["timeout"])
        try:
            value = runner.call(tasks, job["task"], job["arguments"])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return {"result": runner.result_json(value, settings.max_result)}
    except BaseException as error:  # sys.exit() in a task, a time-out: nothing may end this loop
        described = runner.describe(error)
        if isinstance(error, runner.TaskTimeoutError):
            message = f"the task ran longer than its time-out of {job['timeout']:g} s"
            described = replace(described, message=message)
        return {"error": [described.type, described.message, described.traceback]}


def _memory() -> int:
    """The most memory that this process had so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _time_is_over(signum: int, frame: FrameType | None) -> None:
    raise runner.TaskTimeoutError("the task's time is over")


if __name__ == "__main__":
    main()
