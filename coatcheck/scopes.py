"""What a caller may do. Apart from ``tokens``, since an API behind a gateway's authorizer never sees one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from coatcheck.errors import ForbiddenError

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


def other_tasks(name: str, patterns: Sequence[str], tasks: Iterable[str]) -> ForbiddenError:
    """The refusal of tasks that a caller may not use, whether these exist or not."""
    shown = ", ".join(sorted(tasks)[:10])
    return ForbiddenError(f"{name} may use the tasks {', '.join(patterns)} only, not {shown}.")


@dataclass(frozen=True, slots=True)
class Access:
    """Which jobs a caller may deal with: those of one owner (None: everybody's) and of certain tasks.

    Jobs of others are to them as if there were none; their own jobs of other tasks are refused.
    """

    owner: str | None = None
    tasks: tuple[str, ...] = ALL_TASKS

    def script_args(self) -> tuple[str, str]:
        """As ``access.lua`` takes them: the owner ('' = everybody), Lua's patterns of tasks ('' = all)."""
        patterns = "" if self.tasks == ALL_TASKS else "\n".join(map(_lua_pattern, self.tasks))
        return self.owner or "", patterns

    def sees(self, owner: str | None, task: str) -> bool:
        """Whether a job of that owner and task is one that they see."""
        return self.owner in (None, owner) and task_allowed(self.tasks, task)

    def check_task(self, task: str) -> None:
        """Raises ForbiddenError."""
        if not task_allowed(self.tasks, task):
            raise other_tasks(self.owner or "The caller", self.tasks, [task])


EVERYTHING = Access()
"""What somebody may deal with whom nobody asks, or who is an admin."""


def _lua_pattern(pattern: str) -> str:
    """A pattern of tasks as Lua's ``string.find`` knows it."""
    parts = {"*": ".*", "?": "."}
    escaped = (parts.get(each, each if each.isalnum() else f"%{each}") for each in pattern)
    return f"^{''.join(escaped)}$"
