"""Between a pool and its workers: what ties their lives together, and what they tell each other."""

from __future__ import annotations

import os
import signal
import threading

EX_CONFIG = 78
"""Exit status (sysexits.h) when no restart can help: a task or a setting is wrong."""
VARIABLE = "COATCHECK_EXIT_WITH_PARENT"
"""Set to 1 by a parent that gives its child a pipe as standard input and keeps the other end open."""
BUSY, IDLE = b"+\n", b"-\n"
"""What a worker writes to its pool's pipe when it begins and ends a job; figures are lines of JSON."""
SERVICE = "coatcheck-worker"
"""What workers and work-horses are called in traces, unless OTEL_SERVICE_NAME tells."""


def follow_parent() -> None:
    """Send SIGTERM to this process when its parent, which set the variable, dies.

    Even by SIGKILL, which no process can pass on: then standard input ends.
    """
    if os.environ.get(VARIABLE) == "1":
        threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
