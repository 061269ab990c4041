"""Ends a process when its parent dies, even by SIGKILL, which no process can pass on."""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "COATCHECK_EXIT_WITH_PARENT"
"""Set to 1 by a parent that gives its child a pipe as standard input and keeps the other end open."""


def follow_parent() -> None:
    """When the parent set the variable: send SIGTERM to this process once standard input ends."""
    if os.environ.get(VARIABLE) == "1":
        threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
