"""What a job is: its statuses, its document, and the id that it is known by."""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from coatcheck.trace_context import TraceContext

if TYPE_CHECKING:
    from coatcheck.files.info import FileInfo


class JobStatus(StrEnum):
    """The status of a job, in RQ's own words."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    DEFERRED = "deferred"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    CANCELED = "canceled"


WAITING_STATUSES = frozenset({JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.DEFERRED})
"""Not begun: can be canceled."""
ENDED_STATUSES = frozenset({JobStatus.FINISHED, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED})
"""Over: nothing changes any more, unless a client asks to retry."""
RETRYABLE_STATUSES = frozenset({JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED})
"""Ended without a result: can be run again."""

CANCEL, RUN = "cancel", "run"
"""What becomes of a job when one that it comes after does not finish."""
MAX_AFTER = 100
"""Most jobs that one comes after."""
MAX_CHILDREN = 1000
"""Most jobs that one submits."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, which sorts like the numbers
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Two characters for each ten bits."""
_SPELLED = (_ALPHABET * 8).encode()
"""A character for each byte, each for as many of them: five random bits of a byte's eight."""
_TIME_CHARS = 11
_RANDOM_CHARS = 25
JOB_ID = re.compile(rf"[{_ALPHABET}]{{{_TIME_CHARS + _RANDOM_CHARS}}}")

_last_made = 0
_making = threading.Lock()


def new_job_id(now: float | None = None) -> str:
    """A new job id: 36 characters that sort by time of creation, 125 of their bits random.

    Like a ULID (same alphabet, time first), but in microseconds, each later than the last one of this
    process, so that the jobs of a batch keep their order; and with more randomness, since whoever knows an
    id can read the job. Takes the time in seconds, for tests.
    """
    microseconds = _next_microsecond() if now is None else int(now * 1_000_000)
    return _base32(microseconds) + os.urandom(_RANDOM_CHARS).translate(_SPELLED).decode()


def tick_job_id(task: str, tick: datetime, salt: str) -> str:
    """The id of the job of one tick of a periodic task: whoever makes it makes the same.

    Takes a secret of the schedule, without which the id can't be guessed.
    """
    microseconds = round(tick.timestamp() * 1_000_000)
    digest = hashlib.sha256(f"{salt}\n{task}\n{microseconds}".encode()).digest()
    return _base32(microseconds) + digest[:_RANDOM_CHARS].translate(_SPELLED).decode()


def child_job_id(parent: str, task: str, arguments: str, number: int) -> str:
    """The id of a job that another one's task submits: each run of that job makes the same.

    Takes what tells its arguments from others, and how many jobs of that task with these arguments it has
    submitted before.
    """
    digest = hashlib.sha256(f"{parent}\n{task}\n{number}\n{arguments}".encode()).digest()
    return parent[:_TIME_CHARS] + digest[:_RANDOM_CHARS].translate(_SPELLED).decode()


def _next_microsecond() -> int:
    global _last_made
    with _making:
        _last_made = max(_last_made + 1, time.time_ns() // 1000)
        return _last_made


def is_job_id(text: str) -> bool:
    """Whether the text could be a job's id. Nothing else is ever made part of a Redis key."""
    return JOB_ID.fullmatch(text) is not None


def submitted_at_ms(job_id: str) -> int:
    """When a job's id was made, in milliseconds since 1970. Takes a valid id."""
    microseconds = 0
    for character in job_id[:_TIME_CHARS]:
        microseconds = microseconds << 5 | _ALPHABET.index(character)
    return microseconds // 1000


def _base32(number: int) -> str:
    """A time in microseconds as _TIME_CHARS characters."""
    return (
        f"{_ALPHABET[number >> 50 & 31]}{_PAIRS[number >> 40 & 1023]}{_PAIRS[number >> 30 & 1023]}"
        f"{_PAIRS[number >> 20 & 1023]}{_PAIRS[number >> 10 & 1023]}{_PAIRS[number & 1023]}"
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is: ``fraction`` from 0 to 1, and what it does now."""

    fraction: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed: the exception's class name, its text, and the traceback if there is one."""

    type: str
    message: str
    traceback: str | None = None


@dataclass(slots=True)
class Job:
    """A job as read from Redis in one round trip. Times are in UTC.

    Nobody changes one. It isn't frozen since each request makes one, and freezing quadruples what that takes.

    ``owner`` is who submitted it, None where callers were not asked. ``after``: the jobs that it waits for,
    and ``if_failed`` what becomes of it when one of them does not finish (None: it waits for none).
    ``batch``: what it was submitted with. ``parent``: the job that submitted it; ``children``: those that it
    submitted. ``files``: it may have files, in its arguments or its result. ``result_file`` has the result's
    JSON where that became a file.
    """

    id: str
    task: str
    queue: str
    status: JobStatus
    arguments: dict[str, Any]
    created_at: datetime
    attempt: int = 0
    interrupted: int = 0
    progress: Progress | None = None
    result: Any = None
    error: JobError | None = None
    enqueued_at: datetime | None = None
    scheduled_for: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    worker: str | None = None
    stop_requested: bool = False
    owner: str | None = None
    after: tuple[str, ...] = ()
    if_failed: str | None = None
    batch: str | None = None
    parent: str | None = None
    children: tuple[str, ...] = ()
    files: bool = False
    result_file: FileInfo | None = None

    @property
    def ended(self) -> bool:
        """Whether the job is over."""
        return self.status in ENDED_STATUSES


@dataclass(slots=True)
class Submission:
    """One job to be submitted: a task's name, checked arguments, and the options. Not frozen, as ``Job``.

    ``timeout``, ``result_ttl`` and ``retry_delays`` are in seconds. ``retries`` None: an error fails
    the job at once, but a lost worker's job is run again. 0: the job is run at most once, whatever
    happens. ``at``: not before that time. ``trace``: the span that submits it, where tracing is on.
    ``owner``: who submits it, where callers are asked. ``delivery``: the job that tells its end to a URL.
    ``after``: ids of jobs that must end before, up to MAX_AFTER, and ``if_failed`` what becomes of it when
    one of them does not finish: CANCEL or RUN. ``batch``: what it is submitted with. ``parent``: the job that
    submits it. ``files``: whether there are files in its arguments.
    """

    task: str
    arguments: dict[str, Any]
    queue: str
    timeout: int
    result_ttl: int
    retries: int | None = None
    retry_delays: tuple[int, ...] = ()
    at: datetime | None = None
    trace: TraceContext | None = None
    owner: str | None = None
    delivery: Submission | None = None
    after: tuple[str, ...] = ()
    if_failed: str = CANCEL
    batch: str | None = None
    parent: str | None = None
    files: bool = False
    id: str = field(default_factory=new_job_id)


def utcnow() -> datetime:
    """The time now, with its zone."""
    return datetime.now(UTC)


def format_time(moment: datetime) -> str:
    """RQ's format of a time, which is RFC 3339 too: ``2026-11-25T10:00:00.000000Z``."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """Read a time that RQ or we wrote, in UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is no time of the years 1 to 9999") from error
