"""What ``submit`` does in a task: checks what it is given by the tasks' own types, and asks the worker."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from coatcheck.catalog import submission_of
from coatcheck.codec import dumps
from coatcheck.errors import (
    MAX_ERRORS,
    FieldError,
    InvalidArgumentsError,
    PayloadTooLargeError,
    ProblemError,
    UnknownTaskError,
    problem_classes,
)
from coatcheck.file import argument_of
from coatcheck.files.places import FILE, replaced
from coatcheck.job import CANCEL, MAX_AFTER, RUN, Submission, child_job_id, is_job_id, utcnow
from coatcheck.json_depth import check_depth
from coatcheck.json_pointer import pointer_of
from coatcheck.placeholders import JOB, Path, Placeholder, faults, placeholders
from coatcheck.task import Order
from coatcheck.trace_context import read_context
from worker_image.discovery import Task, catalog_of
from worker_image.runner import with_files
from worker_image.work import Work

MAX_DEPTH = 64
"""Deepest nesting of arguments, as in the API."""
NOT_TOLD = ("owner", "parent", "batch", "delivery")
"""What of a submission its worker knows, or no child has."""
PROBLEMS = {kind.slug: kind for kind in problem_classes()}


class Submitter:
    """Submits the children of one run. Takes what the work-horse works with, the job's id, the execution."""

    def __init__(self, work: Work, job_id: str, execution: str) -> None:
        self._work = work
        self._job_id = job_id
        self._execution = execution
        self._lock = threading.Lock()
        self._submitted: Counter[tuple[str, str]] = Counter()

    def __call__(self, order: Order) -> str:
        """Submit a child. Returns its id. Raises what ``coatcheck.submit`` does."""
        submission = self._checked(order)
        with self._traced(submission) as child:
            answer = self._work.questions.ask(self._execution, child=told(child))
        if "problem" in answer:
            raise problem(*answer["problem"])
        return submission.id

    @contextmanager
    def _traced(self, submission: Submission) -> Iterator[Submission]:
        """Around the question: the submission in the trace that the parent belongs to."""
        if self._work.tracing is None:
            yield submission
            return
        with self._work.tracing.send([submission]) as trace:
            yield replace(submission, trace=trace)

    def _id(self, task: str, arguments: Mapping[str, Any]) -> str:
        """The id of the next child of a task with these arguments: the same in each run of the job."""
        same = (task, identity(arguments))
        with self._lock:
            number = self._submitted[same]
            self._submitted[same] += 1
        return child_job_id(self._job_id, *same, number)

    def _checked(self, order: Order) -> Submission:
        task = self._task(order.task)
        arguments = _as_json(order.arguments, self._work.settings.max_body)
        places = list(placeholders(arguments))
        _check(task, arguments, {path[0] for path, _ in places})
        after = _after(order, places)
        queues = catalog_of(self._work.tasks).queues(self._work.settings)
        if order.queue is not None and order.queue not in queues:
            raise ValueError(f"queue={order.queue!r} should be one of {', '.join(queues)}")
        at = utcnow() + timedelta(seconds=order.delay) if order.delay > 0 else None
        submission = submission_of(task.spec, arguments, self._work.settings, queue=order.queue, at=at)
        return replace(
            submission, id=self._id(task.spec.name, arguments), after=after, if_failed=order.if_failed
        )

    def _task(self, wanted: str | Callable[..., Any]) -> Task:
        """The task of that name, or of that function. Raises UnknownTaskError."""
        for name, task in self._work.tasks.items():
            # The worker's own tasks, which no catalogue shows, begin with an underscore.
            if (name == wanted or task.function is wanted) and not name.startswith("_"):
                return task
        raise UnknownTaskError(
            f"This worker has no task {wanted if isinstance(wanted, str) else repr(wanted)}."
        )


def identity(arguments: Mapping[str, Any]) -> str:
    """What tells children of a task apart. Files by what is in them: those of another run have other ids."""

    def content(_: Path, file: Mapping[str, Any]) -> Any:
        return [file.get("name"), file.get("sha256") or file[FILE]]

    return dumps(replaced(dict(arguments), content))


def told(submission: Submission) -> dict[str, Any]:
    """What a work-horse tells its worker of a submission."""
    fields = {name: value for name, value in asdict(submission).items() if name not in NOT_TOLD}
    return fields | {"at": submission.at and submission.at.timestamp()}


def heard(report: Mapping[str, Any], **known: Any) -> Submission:
    """The submission that a work-horse told of. Takes what its worker knows of it."""
    at = report["at"] and datetime.fromtimestamp(report["at"], UTC)
    trace = report["trace"] and read_context(**report["trace"])
    lists = {name: tuple(report[name]) for name in ("after", "retry_delays")}
    return Submission(**{**report, **lists, "at": at, "trace": trace, **known})


def told_problem(error: ProblemError) -> list[Any]:
    """What a worker tells its work-horse of why a child was refused."""
    return [error.slug, error.detail, [[each.pointer, each.detail] for each in error.errors]]


def problem(slug: str, detail: str, errors: Sequence[Sequence[str]]) -> ProblemError:
    """The error that was told."""
    return PROBLEMS[slug](detail, errors=[FieldError(*each) for each in errors])


def _as_json(arguments: Mapping[str, Any], most: int) -> dict[str, Any]:
    """The arguments as JSON has them. Raises InvalidArgumentsError, PayloadTooLargeError."""
    try:
        found: dict[str, Any] = to_jsonable_python(dict(arguments), fallback=with_files(argument_of))
        text = dumps(found)
        check_depth(text, found, MAX_DEPTH)
        size = len(text.encode())
    except (PydanticSerializationError, ValueError, TypeError, RecursionError) as error:
        raise InvalidArgumentsError(f"The arguments can't be written as JSON: {error}.") from None
    if size > most:
        raise PayloadTooLargeError(f"The arguments have {size} bytes as JSON; at most {most} are taken.")
    return found


def _check(task: Task, arguments: dict[str, Any], later: Set[Any]) -> None:
    """Check the arguments but those, by name, in which other jobs' results have still to be put.

    Raises InvalidArgumentsError.
    """
    try:
        task.convert(arguments)
    except ValidationError as error:
        errors = [
            FieldError(pointer_of(fault["loc"]), fault["msg"])
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
            if not fault["loc"] or fault["loc"][0] not in later
        ]
        if errors:
            wrong = f"The arguments do not fit {task.spec.name}."
            raise InvalidArgumentsError(wrong, errors=errors[:MAX_ERRORS]) from None


def _after(order: Order, places: Sequence[tuple[Path, Placeholder]]) -> tuple[str, ...]:
    """The jobs that the child waits for. Raises ValueError, InvalidArgumentsError."""
    if order.if_failed not in (CANCEL, RUN):
        raise ValueError(f"if_failed={order.if_failed!r} should be {CANCEL!r} or {RUN!r}")
    wrong = [
        FieldError(pointer_of((*path, member)), fault)
        for path, placeholder in places
        for member, fault in faults(placeholder)
    ]
    if wrong:
        raise InvalidArgumentsError("The arguments take results of no jobs.", errors=wrong)
    after = tuple(dict.fromkeys([*order.after, *(placeholder[JOB] for _, placeholder in places)]))
    if len(after) > MAX_AFTER or not all(isinstance(each, str) and is_job_id(each) for each in after):
        raise ValueError(f"after={list(after)!r} should be at most {MAX_AFTER} ids of jobs")
    return after
