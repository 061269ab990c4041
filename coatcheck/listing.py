"""Lists of jobs, newest first, by status, queue and task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from coatcheck.codec import SUMMARY_FIELDS, MalformedJobError, decode_summary
from coatcheck.connection import as_text
from coatcheck.job import Job, JobStatus, is_job_id
from coatcheck.keys import Keys
from coatcheck.scopes import EVERYTHING, Access

CHUNK = 200
"""Jobs read in one round trip."""
SCAN_LIMIT = 5000
"""Most jobs looked at for one page, so that no filter makes a request slow."""

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

    A page may hold fewer jobs than asked for, even none, and still have a next one.
    """

    jobs: list[Job]
    next: str | None


def list_jobs(
    client: redis.Redis,
    keys: Keys,
    status: JobStatus | None,
    queue: str | None,
    task: str | None,
    cursor: str | None,
    limit: int,
    access: Access = EVERYTHING,
) -> JobPage:
    """A page of the jobs that fit the filters. The cursor is the id of the last job looked at."""
    found: list[Job] = []
    seen = 0
    for chunk in _candidates(client, keys, status, queue, cursor):
        for job_id, job in zip(chunk, _summaries(client, keys, chunk), strict=True):
            seen += 1
            if (
                job is not None
                and status in (None, job.status)
                and queue in (None, job.queue)
                and task in (None, job.task)
                and access.sees(job.owner, job.task)
            ):
                if len(found) == limit:
                    return JobPage(found, found[-1].id)
                found.append(job)
            if seen == SCAN_LIMIT:
                return JobPage(found, job_id)
    return JobPage(found, None)


def _candidates(
    client: redis.Redis, keys: Keys, status: JobStatus | None, queue: str | None, cursor: str | None
) -> Iterator[list[str]]:
    """Ids that may fit, newest first, in chunks of CHUNK. Ids sort by time of submission."""
    if status is None:
        yield from _from_index(client, keys, cursor)
        return
    ids = sorted(_of_status(client, keys, status, queue), reverse=True)
    rest = [job_id for job_id in ids if cursor is None or job_id < cursor]
    for start in range(0, len(rest), CHUNK):
        yield rest[start : start + CHUNK]


def _from_index(client: redis.Redis, keys: Keys, cursor: str | None) -> Iterator[list[str]]:
    start = b"+" if cursor is None else b"(" + cursor.encode()
    while True:
        members: Any = client.zrevrangebylex(keys.index, start, b"-", start=0, num=CHUNK)
        if not members:
            return
        yield [as_text(member) for member in members]
        start = b"(" + members[-1]


def _of_status(client: redis.Redis, keys: Keys, status: JobStatus, queue: str | None) -> set[str]:
    queues = [queue] if queue is not None else queue_names(client, keys)
    pipeline = client.pipeline(transaction=False)
    for name in queues:
        if status is JobStatus.QUEUED:
            pipeline.lrange(keys.queue(name), 0, -1)
            pipeline.lrange(keys.intermediate(name), 0, -1)
        else:
            pipeline.zrange(keys.registry(REGISTRIES[status], name), 0, -1)
    members = [member for answer in pipeline.execute() for member in answer]
    # The registry of started jobs holds job:execution.
    return {job_id for member in members if is_job_id(job_id := as_text(member).partition(":")[0])}


def queue_names(client: redis.Redis, keys: Keys) -> list[str]:
    """The names of all queues that ever had a job."""
    start = len(keys.queue(""))
    return sorted(as_text(member)[start:] for member in client.smembers(keys.queues))


def _summaries(client: redis.Redis, keys: Keys, ids: list[str]) -> list[Job | None]:
    pipeline = client.pipeline(transaction=False)
    for job_id in ids:
        pipeline.hmget(keys.job(job_id), SUMMARY_FIELDS)
    jobs: list[Job | None] = []
    for job_id, values in zip(ids, pipeline.execute(raise_on_error=False), strict=True):
        try:
            jobs.append(decode_summary(job_id, values) if isinstance(values, list) and values[0] else None)
        except MalformedJobError:
            jobs.append(None)
    return jobs
