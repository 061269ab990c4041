"""The catalogue: which tasks there are, as written to ``catalog.json`` when the tasks were imported.

The functions know the tasks from this file alone and never import one, so a task may depend on
gigabytes and the function package stays small.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from coatcheck.errors import CatalogError, UnknownTaskError
from coatcheck.job import Submission
from coatcheck.schedule import Schedule
from coatcheck.settings import NAME, Settings

FORMAT = 1
"""Version of the file's format."""
TASK_NAME = re.compile(r"\w+(\.\w+)*")
REBUILD = "build it again with 'coatcheck catalog'"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task: its name (``module.function``), its options, and the JSON Schema of its arguments.

    ``timeout``, ``retry_delays`` and ``result_ttl`` are in seconds; None: the settings decide.
    """

    name: str
    title: str
    description: str
    schema: dict[str, Any]
    result: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    timeout: int | None = None
    retries: int | None = None
    retry_delays: tuple[int, ...] = ()
    result_ttl: int | None = None
    schedule: Schedule | None = None


def submission_of(
    task: TaskSpec,
    arguments: Mapping[str, Any],
    settings: Settings,
    *,
    queue: str | None = None,
    timeout: int | None = None,
    at: datetime | None = None,
    owner: str | None = None,
) -> Submission:
    """A job of a task, to be submitted.

    Takes the options that were asked for, None where not: one goes before the task's own, which goes before
    the settings'.
    """
    return Submission(
        task=task.name,
        arguments=dict(arguments),
        queue=queue or task.queue or settings.queues[0],
        timeout=timeout or task.timeout or settings.default_timeout,
        result_ttl=task.result_ttl or settings.result_ttl,
        retries=task.retries,
        retry_delays=task.retry_delays,
        at=at,
        owner=owner,
    )


@dataclass(frozen=True)
class Catalog:
    """All tasks, by name. ``version`` changes whenever anything in it does."""

    tasks: tuple[TaskSpec, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {task.name: task for task in self.tasks})

    @property
    def version(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the tasks."""
        return hashlib.sha256(_tasks_json(self.tasks).encode()).hexdigest()[:12]

    def get(self, name: str) -> TaskSpec:
        """The task of that name. Raises UnknownTaskError."""
        by_name: dict[str, TaskSpec] = self.__dict__["_by_name"]
        try:
            return by_name[name]
        except KeyError:
            raise UnknownTaskError(f"There is no task {name!r}. GET /tasks lists those that exist.") from None

    def queues(self, settings: Settings) -> tuple[str, ...]:
        """All queues: those of the settings, then those that only a task names."""
        named = [task.queue for task in self.tasks if task.queue is not None]
        return tuple(dict.fromkeys([*settings.queues, *named]))

    def dumps(self) -> str:
        """The file's text: the same tasks give the same bytes."""
        tasks = json.loads(_tasks_json(self.tasks))
        return json.dumps({"format": FORMAT, "version": self.version, "tasks": tasks}, indent=1) + "\n"

    @classmethod
    def load(cls, path: Path | str) -> Catalog:
        """Read ``catalog.json``. Raises CatalogError."""
        try:
            return cls.loads(Path(path).read_bytes())
        except OSError as error:
            raise CatalogError(f"{path} can't be read ({error.strerror}); {REBUILD}") from error
        except CatalogError as error:
            raise CatalogError(f"{path} {error}") from error

    @classmethod
    def loads(cls, text: str | bytes) -> Catalog:
        """Read the text of a catalogue. Raises CatalogError."""
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise CatalogError(f"has format {document['format']}, this version reads {FORMAT}; {REBUILD}")
            return cls(tuple(_task(entry) for entry in document["tasks"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CatalogError(f"is not a catalogue ({error}); {REBUILD}") from error


def _tasks_json(tasks: Sequence[TaskSpec]) -> str:
    return json.dumps([asdict(task) for task in tasks], separators=(",", ":"))


def _task(entry: dict[str, Any]) -> TaskSpec:
    schedule = entry.get("schedule")
    task: Any = TaskSpec(
        **entry
        | {
            "retry_delays": tuple(entry["retry_delays"]),
            "schedule": None if schedule is None else Schedule(**schedule),
        }
    )
    texts = (task.name, task.title, task.description, *([] if task.queue is None else [task.queue]))
    numbers = (task.timeout, task.retries, task.result_ttl, *task.retry_delays)
    if not (
        all(isinstance(text, str) for text in texts)
        and TASK_NAME.fullmatch(task.name)
        and (task.queue is None or NAME.fullmatch(task.queue))
        and all(number is None or (type(number) is int and number >= 0) for number in numbers)
        and isinstance(task.schema, dict)
        and isinstance(task.result, dict)
    ):
        raise ValueError(f"the task {task.name!r} is malformed")
    spec: TaskSpec = task
    return spec
