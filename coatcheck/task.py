"""What a task's author uses: ``@task`` for options; within it ``progress``, ``submit`` and ``job_id``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar, overload

from coatcheck.errors import CatalogError
from coatcheck.job import CANCEL
from coatcheck.schedule import CatchUp, Overlap, Schedule, schedule_of
from coatcheck.settings import NAME

Function = TypeVar("Function", bound=Callable[..., Any])
ATTRIBUTE = "__coatcheck_task__"
MAX_RETRIES = 100


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """The options of one task; None: the settings decide. Times are in seconds."""

    name: str | None = None
    title: str | None = None
    queue: str | None = None
    timeout: int | None = None
    retries: int | None = None
    retry_delays: tuple[int, ...] = ()
    result_ttl: int | None = None
    schedule: Schedule | None = None


@overload
def task(function: Function, /) -> Function: ...


@overload
def task(
    *,
    name: str | None = None,
    title: str | None = None,
    queue: str | None = None,
    timeout: int | None = None,
    retries: int | None = None,
    retry_delays: int | Sequence[int] = (),
    result_ttl: int | None = None,
    cron: str | None = None,
    every: str | int | None = None,
    timezone: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    overlap: Overlap = "skip",
    catch_up: CatchUp = "last",
) -> Callable[[Function], Function]: ...


def task(
    function: Function | None = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    queue: str | None = None,
    timeout: int | None = None,
    retries: int | None = None,
    retry_delays: int | Sequence[int] = (),
    result_ttl: int | None = None,
    cron: str | None = None,
    every: str | int | None = None,
    timezone: str | None = None,
    arguments: Mapping[str, Any] | None = None,
    overlap: Overlap = "skip",
    catch_up: CatchUp = "last",
) -> Function | Callable[[Function], Function]:
    """Sets options of a task. A public, typed function of a module in ``tasks/`` needs no decorator.

    ``name``: instead of the function's, after the module's. ``title``: instead of one made of the name.
    ``queue``: the queue it waits on. ``timeout``: seconds until it is ended. ``retries``: how often it
    is run again after an error; None: not, but when its worker is lost it is run again; 0: it is never
    run twice, whatever happens. ``retry_delays``: seconds before each retry, the last one for all
    further ones. ``result_ttl``: seconds that a finished job is kept.

    A periodic task also has either ``cron``, such as ``"0 3 * * *"``, in ``timezone`` (default UTC), or
    ``every``, such as ``"5m"`` or seconds; and the ``arguments`` of its jobs. ``overlap``: while the job of
    the tick before has not ended, ``"skip"`` a tick or ``"queue"`` it all the same. ``catch_up``: of the
    ticks that were missed while nothing ran, the ``"last"``, ``"all"`` or ``"none"`` are made up for.

    Raises CatalogError: an option makes no sense.
    """
    delays = tuple(retry_delays) if isinstance(retry_delays, Sequence) else (retry_delays,)
    options = TaskOptions(name, title, queue, timeout, retries, delays, result_ttl)

    def mark(function: Function) -> Function:
        try:
            schedule = schedule_of(cron, every, timezone, arguments, overlap, catch_up)
            _check(options)
        except CatalogError as fault:
            place = f"{function.__module__}.{function.__qualname__}"
            raise CatalogError(f"@task of {place}: {fault}") from fault
        setattr(function, ATTRIBUTE, replace(options, schedule=schedule))
        return function

    return mark if function is None else mark(function)


def options_of(function: Callable[..., Any]) -> TaskOptions:
    """The options that ``@task`` set, or none set."""
    options = getattr(function, ATTRIBUTE, None)
    return options if isinstance(options, TaskOptions) else TaskOptions()


def _check(options: TaskOptions) -> None:
    """Raises CatalogError."""
    if fault := _fault(options):
        raise CatalogError(fault)


def _fault(options: TaskOptions) -> str | None:
    if options.name is not None and not str(options.name).isidentifier():
        return f"name={options.name!r} should be a Python identifier"
    if options.queue is not None and not NAME.fullmatch(options.queue):
        return f"queue={options.queue!r} should be up to 64 letters, digits, '_', '-' or '.'"
    for name, value in (("timeout", options.timeout), ("result_ttl", options.result_ttl)):
        if value is not None and not _is_whole(value, 1):
            return f"{name}={value!r} should be a whole number of seconds, at least 1"
    if options.retries is not None and not (_is_whole(options.retries, 0) and options.retries <= MAX_RETRIES):
        return f"retries={options.retries!r} should be a whole number from 0 to {MAX_RETRIES}"
    if not all(_is_whole(delay, 0) for delay in options.retry_delays):
        return f"retry_delays={options.retry_delays!r} should be whole seconds"
    if options.retry_delays and not options.retries:
        return "retry_delays without retries has no effect: set retries too"
    return None


def _is_whole(value: object, low: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


_reporter: Callable[[float, str], None] | None = None


def progress(fraction: float, message: str = "") -> None:
    """Tell how far the task is: ``fraction`` from 0 to 1 (others are cut to that), and what it does now.

    May be called as often as one likes: what is reported in between is not sent. Outside a worker, in a
    test of the task for example, it does nothing.
    """
    if _reporter is not None:
        _reporter(min(1.0, max(0.0, float(fraction))), str(message))


def set_reporter(reporter: Callable[[float, str], None] | None) -> None:
    """Where ``progress`` goes. Called by the worker, once for each of its processes."""
    global _reporter
    _reporter = reporter


@dataclass(frozen=True, slots=True)
class Order:
    """A job that a task submits: which task, by name or itself, its arguments and the options."""

    task: str | Callable[..., Any]
    arguments: Mapping[str, Any]
    queue: str | None
    delay: float
    after: tuple[str, ...]
    if_failed: str


_submitter: Callable[[Order], str] | None = None


def submit(
    task: str | Callable[..., Any],
    arguments: Mapping[str, Any] | None = None,
    *,
    queue: str | None = None,
    delay: float | timedelta | None = None,
    after: Sequence[str] = (),
    if_failed: str = CANCEL,
) -> str:
    """Submit a job from within a task, as a child of the job that runs. Returns the child's id.

    Takes the task, by name (``"examples.short_task"``) or the function itself; the queue instead of the
    task's own; ``delay``: not before that many seconds; ``after``: ids of jobs that must end before, and
    ``if_failed``: what becomes of it when one of them does not finish, ``"cancel"`` or ``"run"``.

    The child is in Redis when this returns; while Redis is away it waits. A task that is run again submits
    the same children again, which are then there already: so the same calls should have the same arguments.
    May be called from any thread of the task's process. In an ``async def`` other tasks wait meanwhile, but
    not where it is ``await asyncio.to_thread(submit, ...)``.

    Raises UnknownTaskError, InvalidArgumentsError, QueueFullError and other problems of
    ``coatcheck.errors``; ValueError: an option makes no sense; RuntimeError: no worker runs this.
    """
    if _submitter is None:
        raise RuntimeError("submit() works in a task that a worker runs, and nowhere else")
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay or 0.0
    return _submitter(Order(task, arguments or {}, queue, seconds, tuple(after), if_failed))


def set_submitter(submitter: Callable[[Order], str] | None) -> None:
    """Where ``submit`` goes. Called by the worker, once for each of its processes."""
    global _submitter
    _submitter = submitter


_identifier: Callable[[], str] | None = None


def job_id() -> str:
    """The id of the job that runs here: the same in each of its attempts.

    May be called from any thread of the task's process; from those that an ``async def`` starts, where that
    is ``asyncio.to_thread``.

    Raises RuntimeError: no worker runs this.
    """
    if _identifier is None:
        raise RuntimeError("job_id() works in a task that a worker runs, and nowhere else")
    return _identifier()


def set_identifier(identifier: Callable[[], str] | None) -> None:
    """What ``job_id`` asks. Called by the worker, once for each of its processes or before each run."""
    global _identifier
    _identifier = identifier
