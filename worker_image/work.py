"""What each work-horse needs to run jobs, in whatever order."""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from coatcheck.settings import Settings
from worker_image import runner
from worker_image.discovery import Task
from worker_image.files import RunFiles
from worker_image.questions import Questions
from worker_image.reporter import Channel

if TYPE_CHECKING:
    from coatcheck.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Work:
    """The settings, the tasks, what makes spans, the ways from and to the worker, and what keeps files."""

    settings: Settings
    tasks: dict[str, Task]
    tracing: Tracing | None
    end: socket.socket
    channel: Channel
    questions: Questions
    files: RunFiles


def log_to_standard_error() -> None:
    """What tasks log is part of what they print."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def failure(error: BaseException, timeout: float) -> dict[str, Any]:
    """What to report of a run that ended with an error. Takes its time-out in seconds."""
    described = runner.describe(error)
    if isinstance(error, runner.TaskTimeoutError):
        described = replace(described, message=f"the task ran longer than its time-out of {timeout:g} s")
    return {"error": [described.type, described.message, described.traceback]}


def memory() -> int:
    """The most memory that this process had so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def end_process() -> NoReturn:
    """End this process and all that its tasks started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
