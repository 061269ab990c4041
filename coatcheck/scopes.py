"""What a caller may do. Apart from ``tokens``, since an API behind a gateway's authorizer never sees one."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatchcase

ALL_TASKS = ("*",)


class Scope(StrEnum):
    """What a caller may do. ``admin`` may all."""

    SUBMIT = "submit"
    """Hand in jobs, stop them, run them again."""
    READ = "read"
    """Look at tasks, jobs, logs and queues."""
    ADMIN = "admin"


def task_allowed(patterns: Sequence[str], task: str) -> bool:
    """Whether one of the patterns, with ``*`` and ``?``, fits a task's name."""
    return any(fnmatchcase(task, pattern) for pattern in patterns)
