"""The managed queue adapter: submits jobs to RQ's queues and tells what became of them.

Speaks RQ's data model directly, in scripts and pipelines of one round trip, and never imports RQ: the
functions that use it start cold. What RQ itself reads of these keys is held by the tests.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import redis

from coatcheck.codec import MalformedJobError, decode_job, encode_submission
from coatcheck.connection import reaching_redis
from coatcheck.errors import ConflictError, IdempotencyMismatchError, InvalidRequestError, UnknownJobError
from coatcheck.job import Job, JobStatus, Submission, is_job_id, parse_time, utcnow
from coatcheck.keys import Keys
from coatcheck.listing import JobPage, list_jobs
from coatcheck.logs import LogPage, read_log
from coatcheck.overview import QueueInfo, WorkerInfo, read_queues
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings

if TYPE_CHECKING:
    from coatcheck.waiting import Waiters

__all__ = ["JobPage", "LogPage", "QueueAdapter", "QueueInfo", "WorkerInfo"]


class QueueAdapter:
    """All that the HTTP functions do with the queue.

    Takes a client of Redis (``coatcheck.connection.connect``) and the settings. Every method raises
    UnavailableError when Redis can't be reached or can't take writes.
    """

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._scripts = Scripts(client, settings.prefix, settings.redis_wait_replicas)

    def submit(
        self,
        submissions: Sequence[Submission],
        *,
        idempotency_key: str | None = None,
        fingerprint: str = "",
    ) -> list[Job]:
        """Submit jobs, all or none, in one transaction.

        Takes checked submissions; with an idempotency key also the ``fingerprint`` of the request. The
        same key and fingerprint again return the jobs of the first time, as long as any of them is kept;
        those that are not kept any more are left out.

        Raises IdempotencyMismatchError: the key was used for another request.
        """
        if not submissions:
            return []
        created_at = utcnow()
        args: list[str | bytes | int] = [
            fingerprint if idempotency_key is not None else "",
            self._settings.idempotency_ttl,
        ]
        for submission in submissions:
            args += _submission_args(submission, created_at, self._settings.failure_ttl)
        digest = hashlib.sha256((idempotency_key or "").encode()).hexdigest()
        with reaching_redis():
            keys = [self._keys.index, self._keys.idempotency(digest)]
            answer = self._scripts.run("submit", keys, *args, durable=True)
        if answer[0] == b"mismatch":
            raise IdempotencyMismatchError(
                "This Idempotency-Key was used for a request with another task, other arguments or options."
            )
        if answer[0] == b"known":
            return self._get_all(answer[1].decode().split(","))
        enqueued_at = parse_time(answer[1].decode())
        return [_submitted(submission, created_at, enqueued_at) for submission in submissions]

    def get(self, job_id: str) -> Job:
        """One job, in one round trip. Raises UnknownJobError."""
        return self._get_all([_checked(job_id)])[0]

    def _get_all(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of the jobs that are kept. Raises UnknownJobError: none is."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in job_ids:
            pipeline.hgetall(self._keys.job(job_id))
            pipeline.xrevrange(self._keys.results(job_id), count=1)
        found: list[Job] = []
        missing: UnknownJobError | None = None
        with reaching_redis():
            answers = pipeline.execute(raise_on_error=False)
            for job_id, fields, records in zip(job_ids, answers[::2], answers[1::2], strict=True):
                try:
                    found.append(_decoded(job_id, fields, records))
                except UnknownJobError as error:
                    missing = error
        if missing is not None and not found:
            raise missing
        return found

    @cached_property
    def waiters(self) -> Waiters:
        """Those who wait for the end of a job."""
        from coatcheck.waiting import Waiters

        return Waiters(self._redis, self._keys, self._settings.wait_seats)

    def cancel(self, job_id: str) -> Job:
        """Cancel a job that waits; ask for the stop of one that runs.

        Raises UnknownJobError; ConflictError: the job is over.
        """
        with reaching_redis():
            answer = self._scripts.run("cancel", [self._keys.job(_checked(job_id))], job_id, _token())
        if answer[0] == b"unknown":
            raise _unknown(job_id)
        if answer[0] == b"ended":
            raise ConflictError(f"The job is {answer[1].decode()} already: there is nothing to stop.")
        return self.get(job_id)

    def retry(self, job_id: str) -> Job:
        """Run a failed, stopped or canceled job again, with the same arguments.

        Raises UnknownJobError; ConflictError: the job is in another state.
        """
        with reaching_redis():
            answer = self._scripts.run("retry", [self._keys.job(_checked(job_id))], job_id, _token())
        if answer[0] == b"unknown":
            raise _unknown(job_id)
        if answer[0] == b"refused":
            raise ConflictError(
                f"The job is {answer[1].decode()}: only failed, stopped and canceled jobs can be retried."
            )
        return self.get(job_id)

    def log(self, job_id: str, after: str | None = None) -> LogPage:
        """What a job's task printed after the cursor of an earlier page.

        Raises UnknownJobError; InvalidRequestError: the cursor is none that a page gave.
        """
        with reaching_redis():
            page = read_log(self._redis, self._keys, _checked(job_id), after)
        if page is None:
            raise _unknown(job_id)
        return page

    def queues(self, names: Sequence[str]) -> list[QueueInfo]:
        """The depth, the oldest wait and the workers of each named queue."""
        with reaching_redis():
            return read_queues(self._redis, self._keys, names)

    def ping(self) -> None:
        """Raises UnavailableError unless Redis answers."""
        with reaching_redis():
            self._redis.ping()

    def list(
        self,
        *,
        status: JobStatus | None = None,
        queue: str | None = None,
        task: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> JobPage:
        """A page of jobs, newest first, without their arguments, results and tracebacks.

        Takes filters, the ``cursor`` of the page before and the most jobs to return.

        Raises InvalidRequestError: the cursor is none that a page gave.
        """
        if cursor is not None and not is_job_id(cursor):
            raise InvalidRequestError("The cursor is none that a list of jobs gave: start again without it.")
        with reaching_redis():
            return list_jobs(self._redis, self._keys, status, queue, task, cursor, limit)


def _submission_args(
    submission: Submission, created_at: datetime, failure_ttl: int
) -> list[str | bytes | int]:
    fields = encode_submission(submission, created_at, failure_ttl)
    due = "" if submission.at is None else f"{submission.at.timestamp():.6f}"
    args: list[str | bytes | int] = [
        submission.id,
        submission.queue,
        due,
        len(fields),
    ]
    for name, value in fields.items():
        args += (name, value)
    return args


def _submitted(submission: Submission, created_at: datetime, enqueued_at: datetime) -> Job:
    job = Job(
        id=submission.id,
        task=submission.task,
        queue=submission.queue,
        status=JobStatus.QUEUED,
        arguments=submission.arguments,
        created_at=created_at,
        enqueued_at=enqueued_at,
    )
    if submission.at is None:
        return job
    return replace(job, status=JobStatus.SCHEDULED, enqueued_at=None, scheduled_for=submission.at)


def _decoded(job_id: str, fields: Any, records: Any) -> Job:
    for answer in (fields, records):
        if isinstance(answer, redis.ResponseError) and not str(answer).startswith("WRONGTYPE"):
            raise answer
    if not isinstance(fields, dict) or not fields:
        raise _unknown(job_id)
    record = records[0][1] if isinstance(records, list) and records else None
    try:
        return decode_job(job_id, fields, record)
    except MalformedJobError as error:
        raise UnknownJobError(f"What Redis holds under {job_id} can't be read: {error}.") from error


def _checked(job_id: str) -> str:
    if not is_job_id(job_id):
        raise UnknownJobError(
            "That is not the id of a job: it has 36 characters, digits and lower-case letters."
        )
    return job_id


def _token() -> str:
    """Tells a call apart from every other, so that redis-py may repeat it when its answer is lost."""
    return secrets.token_hex(8)


def _unknown(job_id: str) -> UnknownJobError:
    return UnknownJobError(
        f"There is no job {job_id}: it was never submitted, or was kept as long as promised."
    )
