"""The work-horse: a process that imports the tasks once and runs jobs.

One after another, or, with the argument ``concurrent``, many async tasks at once (``event_loop.py``). It has
no connection to Redis. Jobs come and reports go over a socket, a JSON document on a line each, and answers to
what a task asks come through a pipe; what a task prints goes to standard output and error, which the worker
reads from a pipe. When the worker dies the last pipe ends, the lifeline, and the horse ends itself and what
its tasks started: no job runs on without a worker that renews its lease.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from coatcheck.errors import CatalogError, SettingsError
from coatcheck.settings import load
from coatcheck.task import set_identifier, set_reporter, set_submitter
from coatcheck.trace_context import open_tracing
from worker_image import runner
from worker_image.builtin import builtin_tasks
from worker_image.discovery import catalog_of, discover
from worker_image.files import RunFiles
from worker_image.lifeline import SERVICE
from worker_image.questions import Questions
from worker_image.reporter import Channel, Reporter
from worker_image.submitting import Submitter
from worker_image.work import Work, end_process, failure, log_to_standard_error, memory


def main() -> None:
    """Run jobs until the worker is gone. Its arguments are file descriptors: socket, lifeline, answers."""
    end, lifeline, answers = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    for descriptor in (end.fileno(), lifeline, answers):
        os.set_inheritable(descriptor, False)
    threading.Thread(target=_follow, args=(lifeline,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel, settings = Channel(end), load()
    try:
        tracing = open_tracing(settings, SERVICE)
        found = discover(settings.tasks)
        files = RunFiles(settings)
    except (CatalogError, SettingsError) as error:
        channel.send(broken=str(error))
        return
    if tracing is not None:
        # What a task's process logs is the job's log, and a collector that is away is none of its business.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    questions = Questions(channel, answers)
    work = Work(settings, {**found, **builtin_tasks()}, tracing, end, channel, questions, files)
    if sys.argv[4:] == ["concurrent"]:
        from worker_image.event_loop import serve
    else:
        serve = _one_by_one
    version = catalog_of(found).version
    serve(work, lambda: _ready(work, version))
    if tracing is not None:
        tracing.close()
    os._exit(0)


def _ready(work: Work, version: str) -> None:
    work.channel.send(
        ready=version,
        tasks=list(work.tasks),
        asynchronous=[name for name, task in work.tasks.items() if task.asynchronous],
        traces=work.tracing is not None,
    )


def _one_by_one(work: Work, ready: Callable[[], None]) -> None:
    signal.signal(signal.SIGALRM, _time_is_over)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    log_to_standard_error()
    ready()
    with work.end.makefile("rb") as lines:
        for line in lines:
            job = json.loads(line)
            if "end" in job:
                return
            reporter = _introduce(job, work)
            if work.tracing is None or job["span"] is None:
                report = _run(job, work)
            else:
                with work.tracing.run(job["span"]) as ended:
                    report = _run(job, work)
                    ended(report.get("error"))
            reporter.flush()
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            reporter.send(**report, memory=memory())
    end_process()


def _follow(lifeline: int) -> None:
    """Wait until the worker is gone."""
    while os.read(lifeline, 1):
        pass
    end_process()


def _introduce(job: dict[str, Any], work: Work) -> Reporter:
    """Have what the task calls act for this job. Returns whom the run tells."""
    reporter = Reporter(work.channel, job["run"])
    set_reporter(reporter.progress)
    set_submitter(Submitter(work, job["job"], job["run"]))
    set_identifier(lambda: job["job"])
    return reporter


def _run(job: dict[str, Any], work: Work) -> dict[str, Any]:
    """Run a job. Returns what to report of its end."""
    try:
        signal.setitimer(signal.ITIMER_REAL, job["timeout"])
        try:
            with work.files.of(job) as workspace:
                value = runner.call(work.tasks, job["task"], work.files.arguments(job, workspace))
                return work.files.report(runner.result_json(value, work.files.largest), workspace)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except BaseException as error:  # sys.exit() in a task, a time-out: nothing may end this loop
        return failure(error, job["timeout"])


def _time_is_over(signum: int, frame: FrameType | None) -> None:
    raise runner.TaskTimeoutError("the task's time is over")


if __name__ == "__main__":
    main()
