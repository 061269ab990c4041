"""Tasks that every worker has and no catalogue shows."""

from __future__ import annotations

from coatcheck.callbacks import TASK
from worker_image.delivering import deliver
from worker_image.discovery import Task, task_of


def builtin_tasks() -> dict[str, Task]:
    """These tasks, by name. A user's task can't be called so: its module's name can't start with ``_``."""
    module = TASK.partition(".")[0]
    return {TASK: task_of(module, deliver)}
