"""Batches: jobs that were submitted together, and what became of them.

One may be large, and Redis does nothing else while a script runs: so it is read, and canceled, in pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from graphlib import CycleError, TopologicalSorter
from typing import Any

from coatcheck.codec import SUMMARY_FIELDS, MalformedJobError, decode_progress, decode_summary
from coatcheck.connection import as_text
from coatcheck.errors import ConflictError, UnknownBatchError
from coatcheck.job import ENDED_STATUSES, Job, JobStatus, Progress, is_job_id, parse_time
from coatcheck.keys import Keys
from coatcheck.scopes import Access
from coatcheck.scripts import Scripts

MAX_JOBS = 10_000
"""Most jobs of a batch that are looked at: the most that a setting allows."""
SHOWN = 1000
"""Most jobs that are told of one by one, the first ones; and that one script does so of."""
COUNT_AT_ONCE = 2000
"""Jobs that one script counts: others get their turn between two of these."""
CANCEL_AT_ONCE = 100
"""Jobs that one script cancels,"""
LETS_GO_AT_ONCE = 1000
"""and jobs that these come after, which it looks at too."""


class BatchStatus(StrEnum):
    """What a batch is: running until all of its jobs are over, and failed if one of them did not finish."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as read from Redis: in one round trip, or a large one in some, while its jobs go on.

    ``total`` is how many jobs it has. Of those that are kept, ``jobs`` are the first ones, in their order,
    without arguments, results and tracebacks; of the others ``more`` has how many have each status, and
    ``running`` how far those are that run.
    """

    id: str
    owner: str | None
    created_at: datetime
    total: int
    jobs: tuple[Job, ...]
    more: Mapping[JobStatus, int] = field(default_factory=dict)
    running: tuple[Progress, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many of the jobs that are kept have each status."""
        counted = Counter(job.status for job in self.jobs) + Counter(self.more)
        return {status.value: counted[status] for status in JobStatus if counted[status]}

    @property
    def status(self) -> BatchStatus:
        """What became of it. A job that is kept no more counts as finished."""
        found = self.counts.keys()
        if found - ENDED_STATUSES:
            return BatchStatus.RUNNING
        return BatchStatus.FAILED if found - {JobStatus.FINISHED} else BatchStatus.FINISHED

    @property
    def progress(self) -> float:
        """How much of it is over: from 0 to 1, with the progress of the jobs that run."""
        unended = sum(count for status, count in self.counts.items() if status not in ENDED_STATUSES)
        shown = (job.progress for job in self.jobs if job.status is JobStatus.STARTED)
        done = sum(min(1.0, max(0.0, each.fraction)) for each in (*shown, *self.running) if each)
        return round(1 - (unended - done) / max(1, self.total), 4)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What a script tells of a batch, and of some of its jobs."""

    owner: str | None
    created_at: datetime
    total: int
    told: Sequence[Any]
    running: Sequence[bytes]

    def jobs(self) -> Iterator[Job]:
        for job_id, values in zip(self.told[::2], self.told[1::2], strict=True):
            with suppress(MalformedJobError):
                yield decode_summary(as_text(job_id), values)

    def counts(self) -> Iterator[tuple[JobStatus, int]]:
        for status, count in zip(self.told[::2], self.told[1::2], strict=True):
            with suppress(ValueError):
                yield JobStatus(as_text(status)), count

    def progress(self) -> Iterator[Progress]:
        for text in self.running:
            with suppress(MalformedJobError):
                yield decode_progress(text)


def read_batch(scripts: Scripts, keys: Keys, batch_id: str, access: Access) -> Batch:
    """A batch. Raises UnknownBatchError: also another owner's; ForbiddenError: not all tasks are theirs."""
    read = partial(_read, scripts, keys, batch_id, access)
    head = read(0, SHOWN, *SUMMARY_FIELDS)
    more: Counter[JobStatus] = Counter()
    running: list[Progress] = []
    for first in range(SHOWN, head.total, COUNT_AT_ONCE):
        piece = read(first, COUNT_AT_ONCE)
        more.update(dict(piece.counts()))
        running.extend(piece.progress())
    jobs = tuple(head.jobs())
    return Batch(batch_id, head.owner, head.created_at, head.total, jobs, more, tuple(running))


def _read(
    scripts: Scripts, keys: Keys, batch_id: str, access: Access, first: int, most: int, *fields: str
) -> _Piece:
    """So many jobs of a batch from the one of that number on: these fields of each, or how many there are."""
    if not is_job_id(batch_id):
        raise UnknownBatchError("That is not the id of a batch: it has 36 characters.")
    answer = scripts.run("batch", [keys.batch(batch_id)], *access.script_args(), first, most, *fields)
    if answer[0] == b"forbidden":
        access.check_task(as_text(answer[1]))
    if answer[0] != b"batch":
        raise UnknownBatchError.of(batch_id)
    owner, created_at, total, told, running = answer[1:]
    try:
        created = parse_time(as_text(created_at))
    except ValueError as error:
        raise UnknownBatchError(f"What Redis holds under {batch_id} is no batch.") from error
    return _Piece(as_text(owner) or None, created, min(total, MAX_JOBS), told, running)


def cancel_batch(scripts: Scripts, keys: Keys, batch_id: str, access: Access, token: str) -> None:
    """Cancel the jobs of a batch that wait, and ask for the stop of those that run.

    Takes what tells this call apart from every other. Raises UnknownBatchError, ForbiddenError as
    ``read_batch``; ConflictError: all of them are over.
    """
    read = partial(_read, scripts, keys, batch_id, access)
    head = read(0, SHOWN, *SUMMARY_FIELDS)
    jobs = [*head.jobs()]
    for first in range(SHOWN, head.total, SHOWN):
        jobs.extend(read(first, SHOWN, *SUMMARY_FIELDS).jobs())
    unended = [job for job in jobs if not job.ended]
    if not unended:
        batch = Batch(batch_id, head.owner, head.created_at, head.total, tuple(jobs))
        raise ConflictError(f"The batch is {batch.status} already: there is nothing to stop.")
    cancel_jobs(scripts, keys, unended, access, token)


def cancel_jobs(scripts: Scripts, keys: Keys, jobs: Sequence[Job], access: Access, token: str) -> None:
    """Cancel those of the jobs that wait, and ask for the stop of those that run.

    What is over stays as it is. Takes what tells this call apart from every other.
    """
    for first, *others in _portions(_last_first(jobs)):
        scripts.run("cancel", [keys.job(first)], first, *access.script_args(), token, *others)


def _last_first(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, each before those that it waits for: so none is set free, or canceled, by another's end."""
    deferred = {job.id: job for job in jobs if job.status is JobStatus.DEFERRED}
    sorter = TopologicalSorter({job.id: job.after for job in deferred.values()})
    try:
        first_first = [deferred[job_id] for job_id in sorter.static_order() if job_id in deferred]
    except CycleError:  # planted: what would wait for itself is refused
        first_first = [*deferred.values()]
    # The others keep their order, in which they stand on their queue: the script finds them faster so.
    return [*reversed(first_first), *(job for job in jobs if job.id not in deferred)]


def _portions(jobs: Sequence[Job]) -> Iterator[list[str]]:
    """The ids of the jobs, as many at a time as one script may cancel."""
    portion: list[str] = []
    room = LETS_GO_AT_ONCE
    for job in jobs:
        if portion and (len(portion) == CANCEL_AT_ONCE or len(job.after) > room):
            yield portion
            portion, room = [], LETS_GO_AT_ONCE
        portion.append(job.id)
        room -= len(job.after)
    if portion:
        yield portion
