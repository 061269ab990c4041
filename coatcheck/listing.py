"""Lists of jobs, newest first, by status, queue, task, batch and owner."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import redis

from coatcheck.codec import SUMMARY_FIELDS, MalformedJobError, decode_summary
from coatcheck.connection import as_text
from coatcheck.errors import UnknownBatchError
from coatcheck.job import Job, JobStatus
from coatcheck.keys import Keys
from coatcheck.scopes import EVERYTHING, Access
from coatcheck.scripts import Scripts

SCAN_LIMIT = 1000
"""Most jobs looked at for one page, so that no filter makes a request slow, and Redis none for others."""

REGISTRIES = {
    JobStatus.SCHEDULED: "scheduled",
    JobStatus.DEFERRED: "deferred",
    JobStatus.STARTED: "wip",
    JobStatus.FINISHED: "finished",
    JobStatus.FAILED: "failed",
    JobStatus.STOPPED: "failed",
    JobStatus.CANCELED: "canceled",
}
"""In which of RQ's registries the jobs of a status are; queued jobs are on the queue itself."""


@dataclass(frozen=True, slots=True)
class JobPage:
    """A part of a list. ``next`` is the cursor of the next page, None on the last.

    A page may hold fewer jobs than asked for, even none, and still have a next one: after SCAN_LIMIT jobs it
    says where to go on. Only what is no list of its own is looked for like this: a task, an owner's queue, a
    status or queue of a batch.
    """

    jobs: list[Job]
    next: str | None


def list_jobs(
    scripts: Scripts,
    keys: Keys,
    status: JobStatus | None,
    queue: str | None,
    task: str | None,
    batch: str | None,
    cursor: str | None,
    limit: int,
    access: Access = EVERYTHING,
) -> JobPage:
    """A page of the jobs that fit the filters, in one round trip.

    The cursor is the id of the last one looked at. Raises UnknownBatchError: also another owner's.
    """
    owner, tasks = access.script_args()
    filters = (status or "", queue or "", task or "", owner, tasks)
    place = [keys.owned if owner else keys.index]
    if batch is not None:
        place.append(keys.batch(batch))
    answer = scripts.run("list", place, cursor or "", limit, SCAN_LIMIT, *filters, *SUMMARY_FIELDS)
    if answer is None:
        raise UnknownBatchError.of(batch or "")
    after, *found = answer
    jobs = []
    for job_id, values in zip(found[::2], found[1::2], strict=True):
        with suppress(MalformedJobError):
            jobs.append(decode_summary(as_text(job_id), values))
    return JobPage(jobs, as_text(after) or None)


def queue_names(client: redis.Redis, keys: Keys) -> list[str]:
    """The names of all queues that ever had a job."""
    start = len(keys.queue(""))
    return sorted(as_text(member)[start:] for member in client.smembers(keys.queues))
