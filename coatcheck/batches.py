"""Batches: jobs that were submitted together, and what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from coatcheck.codec import SUMMARY_FIELDS, MalformedJobError, decode_summary
from coatcheck.connection import as_text
from coatcheck.errors import UnknownBatchError
from coatcheck.job import Job, JobStatus, is_job_id, parse_time
from coatcheck.keys import Keys
from coatcheck.scopes import Access
from coatcheck.scripts import Scripts

MAX_JOBS = 10_000
"""Most jobs of a batch that are looked at: the most that a setting allows."""
CANCEL_AT_ONCE = 100
"""Jobs that one script cancels: others get their turn between two of these."""


class BatchStatus(StrEnum):
    """What a batch is: running until all of its jobs are over, and failed if one of them did not finish."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as read from Redis in one round trip.

    ``total`` is how many jobs it has, ``jobs`` are those that are kept, in their order, without arguments,
    results and tracebacks.
    """

    id: str
    owner: str | None
    created_at: datetime
    total: int
    jobs: tuple[Job, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many of the jobs that are kept have each status."""
        counted = Counter(job.status.value for job in self.jobs)
        return {status.value: counted[status.value] for status in JobStatus if counted[status.value]}

    @property
    def status(self) -> BatchStatus:
        """What became of it. A job that is kept no more counts as finished."""
        if not all(job.ended for job in self.jobs):
            return BatchStatus.RUNNING
        finished = all(job.status is JobStatus.FINISHED for job in self.jobs)
        return BatchStatus.FINISHED if finished else BatchStatus.FAILED

    @property
    def progress(self) -> float:
        """How much of it is over: from 0 to 1, with the progress of the jobs that run."""
        left = sum(1 - _done(job) for job in self.jobs if not job.ended)
        return round(1 - left / max(1, self.total), 4)


def _done(job: Job) -> float:
    running = job.status is JobStatus.STARTED and job.progress is not None
    return min(1.0, max(0.0, job.progress.fraction)) if running and job.progress else 0.0


def read_batch(scripts: Scripts, keys: Keys, batch_id: str, access: Access) -> Batch:
    """A batch. Raises UnknownBatchError: also another owner's; ForbiddenError: not all tasks are theirs."""
    if not is_job_id(batch_id):
        raise UnknownBatchError("That is not the id of a batch: it has 36 characters.")
    answer = scripts.run("batch", [keys.batch(batch_id)], *access.script_args(), MAX_JOBS, *SUMMARY_FIELDS)
    if answer[0] == b"forbidden":
        access.check_task(as_text(answer[1]))
    if answer[0] != b"batch":
        raise UnknownBatchError.of(batch_id)
    owner, created_at, total, *found = answer[1:]
    jobs = []
    for job_id, values in zip(found[::2], found[1::2], strict=True):
        with suppress(MalformedJobError):
            jobs.append(decode_summary(as_text(job_id), values))
    try:
        return Batch(batch_id, as_text(owner) or None, parse_time(as_text(created_at)), total, tuple(jobs))
    except ValueError as error:
        raise UnknownBatchError(f"What Redis holds under {batch_id} is no batch.") from error


def cancel_jobs(scripts: Scripts, keys: Keys, jobs: Sequence[Job], access: Access, token: str) -> None:
    """Cancel those of the jobs that wait, and ask for the stop of those that run.

    What is over stays as it is. Takes what tells this call apart from every other.
    """
    ids = [job.id for job in jobs]
    for start in range(0, len(ids), CANCEL_AT_ONCE):
        first, *others = ids[start : start + CANCEL_AT_ONCE]
        scripts.run("cancel", [keys.job(first)], first, *access.script_args(), token, *others)
