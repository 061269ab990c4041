"""Runs one task: finds it in the catalogue, converts its arguments, makes its result JSON."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable
from functools import lru_cache
from types import TracebackType
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from coatcheck.codec import MalformedJobError, dumps
from coatcheck.errors import CoatcheckError, FileError
from coatcheck.file import File, document_of
from coatcheck.job import JobError
from coatcheck.settings import load
from coatcheck.task import set_identifier
from worker_image.builtin import builtin_tasks
from worker_image.discovery import Task, discover, wrong_fields

MAX_MESSAGE = 4_000
"""Most characters of an error's message that are kept."""
MAX_TRACEBACK = 64_000
"""Most characters of a traceback that are kept: its end, where the error is."""


class UnknownTaskError(CoatcheckError):
    """The worker's catalogue has no such task."""


class ArgumentsError(CoatcheckError):
    """The arguments do not fit the task's types."""


class ResultError(CoatcheckError):
    """The task's result can't be kept: it is no JSON, or too large."""


class TaskTimeoutError(BaseException):
    """The task's time is over. No ``Exception``, so that ``except Exception`` in a task can't swallow it."""


def call(tasks: dict[str, Task], name: str, arguments: dict[str, Any]) -> Any:
    """Run a task of the catalogue and return what it returns.

    Raises UnknownTaskError, ArgumentsError, and whatever the task raises.
    """
    value = begin(tasks, name, arguments)
    return asyncio.run(value) if inspect.iscoroutine(value) else value


def begin(tasks: dict[str, Task], name: str, arguments: dict[str, Any]) -> Any:
    """Call a task of the catalogue and return what it returns: of an ``async def`` a coroutine.

    Raises what ``call`` raises.
    """
    try:
        task = tasks[name]
    except KeyError:
        raise UnknownTaskError(f"this worker has no task {name!r}") from None
    try:
        converted = task.convert(arguments)
    except ValidationError as error:
        raise ArgumentsError(f"the arguments do not fit {name}: {wrong_fields(error)}") from None
    return task.function(**converted)


def result_json(value: Any, limit: int) -> str:
    """A task's result as JSON of at most ``limit`` bytes; NaN and infinities become null.

    Raises ResultError.
    """
    try:
        text = dumps(jsonable(value))
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise ResultError(f"the task's result can't be written as JSON: {error}") from None
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > limit:
        raise ResultError(
            f"the task's result has {size:,} bytes as JSON, more than the {limit:,} that are kept:"
            " return a file (docs/files.md)"
        )
    return text


def jsonable(value: Any) -> Any:
    """A value as JSON has it, its files stored as results of the run; NaN and infinities become null.

    Raises PydanticSerializationError, ValueError, FileError.
    """
    try:
        return to_jsonable_python(value, inf_nan_mode="null", fallback=with_files(document_of))
    except PydanticSerializationError as error:
        if isinstance(error.__cause__, FileError | TaskTimeoutError):  # of a file in a model
            raise error.__cause__ from None
        raise


def with_files(file: Callable[[File], Any]) -> Callable[[Any], Any]:
    """What pydantic asks for what it does not know. Takes what stands for a file."""

    def other(value: Any) -> Any:
        if isinstance(value, File):
            return file(value)
        raise PydanticSerializationError(f"Unable to serialize unknown type: {type(value)}")

    return other


def describe(error: BaseException) -> JobError:
    """What a job's document tells of an error that its task raised."""
    kind = "Timeout" if isinstance(error, TaskTimeoutError) else type(error).__qualname__
    if isinstance(error, MalformedJobError):
        kind = error.kind
    try:
        message = str(error)
    except Exception:
        message = "(the error's own text can't be made)"
    # Coatcheck's own faults have no frame of the task's: a traceback would only mislead.
    own = isinstance(error, UnknownTaskError | ArgumentsError | ResultError | MalformedJobError)
    lines = (
        [f"{kind}: {message}"]
        if own
        else traceback.format_exception(type(error), error, _of_task(error.__traceback__))
    )
    return JobError(kind, message[:MAX_MESSAGE], "".join(lines)[-MAX_TRACEBACK:])


def _of_task(tb: TracebackType | None) -> TracebackType | None:
    """The traceback from the task's first frame on, without the worker's own."""
    while tb is not None and tb.tb_frame.f_globals.get("__package__") == __package__:
        tb = tb.tb_next
    return tb


@lru_cache
def _tasks(package: str) -> dict[str, Task]:
    return {**discover(package), **builtin_tasks()}


def run(task: str, arguments: dict[str, Any]) -> Any:
    """The one function that jobs name: what a plain RQ worker calls to run a job of ours."""
    from rq import get_current_job  # only here: a work-horse has no use for RQ

    settings = load()
    job = get_current_job()
    set_identifier(None if job is None else lambda: job.id)
    try:
        value = call(_tasks(settings.tasks), task, arguments)
        result_json(value, settings.max_result)
        return jsonable(value)
    finally:
        set_identifier(None)
