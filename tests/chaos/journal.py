"""The journal of side effects: a line for each step of each run, appended by the tasks themselves.

A file and not Redis: what it says does not depend on what the product says. A short line that is
written at once to a file opened for appending lands whole (write(2), O_APPEND), and stays when its
writer is killed. Times are those of ``time.monotonic``, which is one clock for all processes of Linux.
"""

from __future__ import annotations

import os
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "CHAOS_JOURNAL"
"""Environment variable with the journal's path."""


@dataclass(slots=True)
class Run:
    """One run of a task as the journal tells it. Times are in seconds of the monotonic clock."""

    token: str
    id: str
    pid: int
    worker: int
    """The process that is the work-horse's parent."""
    began: float
    last: float
    """Its last sign of life."""
    ended: float | None = None
    how: str = ""
    """``returned`` or ``raised``, once it has ended."""
    ticks: int = 0
    """How many steps it told of in between."""


class Writer:
    """Writes one run's lines. Takes the token that the client gave the job; begins the run."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.run = secrets.token_hex(6)
        self.write("begin")

    def write(self, step: str) -> None:
        """Append a line: ``begin``, ``tick``, ``returned`` or ``raised``."""
        line = f"{step} {self.token} {self.run} {os.getpid()} {os.getppid()} {time.monotonic():.6f}\n"
        file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def read(path: Path) -> dict[str, list[Run]]:
    """All runs by token, in the order in which they began."""
    runs: dict[str, Run] = {}
    by_token: dict[str, list[Run]] = defaultdict(list)
    for line in path.read_text().splitlines() if path.exists() else []:
        step, token, run_id, pid, worker, text = line.split(" ")
        moment = float(text)
        if step == "begin":
            runs[run_id] = Run(token, run_id, int(pid), int(worker), moment, moment)
            by_token[token].append(runs[run_id])
            continue
        run = runs[run_id]
        run.last = moment
        if step == "tick":
            run.ticks += 1
        else:
            run.ended, run.how = moment, step
    return by_token


def begun(token: str) -> int:
    """How often a token's task has begun so far."""
    path = Path(os.environ[VARIABLE])
    mark = f"begin {token} "
    return sum(line.startswith(mark) for line in path.read_text().splitlines())
