"""The managed queue adapter: submits jobs to RQ's queues and tells what became of them.

Speaks RQ's data model directly, in scripts and pipelines of one round trip, and never imports RQ: the
functions that use it start cold. What RQ itself reads of these keys is held by the tests.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import redis

from coatcheck import logs
from coatcheck.callbacks import delivery_of
from coatcheck.codec import MalformedJobError, decode_shown, dumps, encode_delivery, packed
from coatcheck.connection import as_text, reaching_redis
from coatcheck.deliveries import Deliveries, read_deliveries
from coatcheck.errors import (
    ConflictError,
    FieldError,
    IdempotencyMismatchError,
    InvalidArgumentsError,
    InvalidRequestError,
    UnknownDependencyError,
    UnknownJobError,
)
from coatcheck.job import MAX_CHILDREN, Job, JobStatus, Submission, is_job_id, parse_time
from coatcheck.keys import Keys
from coatcheck.limits import Limits
from coatcheck.listing import JobPage, list_jobs
from coatcheck.logs import LogPage
from coatcheck.overview import QueueInfo, WorkerInfo, read_queues
from coatcheck.scopes import EVERYTHING, Access
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings

if TYPE_CHECKING:
    from coatcheck.batches import Batch
    from coatcheck.catalog import TaskSpec
    from coatcheck.files.desk import FileDesk
    from coatcheck.schedules import ScheduleState
    from coatcheck.signing import Signatures
    from coatcheck.waiting import Waiters

EQUIP = 100
"""Most deliveries that are made at once for jobs that were brought back."""

__all__ = ["JobPage", "LogPage", "QueueAdapter", "QueueInfo", "WorkerInfo"]


class QueueAdapter:
    """All that the HTTP functions do with the queue.

    Takes a client of Redis (``coatcheck.connection.connect``) and the settings. Every method raises
    UnavailableError when Redis can't be reached or can't take writes. Raises SecretError: jobs are to be
    signed, and the keys can't be read.
    """

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._scripts = Scripts(client, settings.prefix, settings.redis_wait_replicas)
        self._limits = Limits.of(settings)
        self._limits_text = str(self._limits)
        self._signatures = signatures_of(settings)

    def submit(
        self,
        submissions: Sequence[Submission],
        *,
        idempotency_key: str | None = None,
        fingerprint: str = "",
        headers: dict[str, str] | None = None,
        batch: str | None = None,
        access: Access | None = None,
    ) -> list[Job]:
        """Submit jobs, all or none, in one transaction.

        Takes checked submissions of one owner and one parent; with an idempotency key also the
        ``fingerprint`` of the request. The same key and fingerprint again return the jobs of the first time,
        as long as any of them is kept; those that are not kept any more are left out. ``headers`` are filled
        with what the owner's limits are, and what is left of them. ``batch``: the id of the batch that these
        jobs are. ``access``: which jobs they may come after; None: the owner's.

        Raises IdempotencyMismatchError: the key was used for another request; PayloadTooLargeError,
        QueueFullError, RateLimitedError, TooManyWaitingError: a limit; UnknownDependencyError: a job is to
        come after one that is not there; InvalidArgumentsError: jobs would wait for each other;
        UnknownJobError: the parent is not there; ConflictError: it has too many children. Then nothing was
        submitted.
        """
        if not submissions:
            return []
        owner = submissions[0].owner or ""
        self._limits.check_size(len(submissions), owner)
        _check_cycles(submissions)
        known_by = fingerprint if idempotency_key is not None else ""
        args: list[str | bytes] = [_call(owner, self._limits_text, known_by, self._settings.idempotency_ttl)]
        if batch is not None:
            submissions = [replace(submission, batch=batch) for submission in submissions]
        for submission in submissions:
            args += packed(submission, self._settings.failure_ttl, self._signatures)
        if (links := _links(submissions, access, self._settings.failure_ttl)) is not None:
            args.append(links)
        keys = [self._keys.index]
        if idempotency_key is not None:
            keys.append(self._keys.idempotency(hashlib.sha256(idempotency_key.encode()).hexdigest()))
        with reaching_redis():
            script = "submit" if links is None else "submit_linked"
            answer = self._scripts.run(script, keys, *args, durable=True)
        if isinstance(answer, bytes):  # most answers, made and read in less time than a list
            created = parse_time(answer.decode())
            return [_submitted(submission, created) for submission in submissions]
        if answer[0] == b"mismatch":
            raise IdempotencyMismatchError(
                "This Idempotency-Key was used for a request with another task, other arguments or options."
            )
        if answer[0] == b"known":
            return _kept(answer[1::2], answer[2::2])
        if limit := self._limits.refusal(answer):
            raise limit
        told = []
        if links is not None:
            _raise_unlinked(submissions, answer)
            told = answer.pop()
        if headers is not None:
            headers |= self._limits.headers(answer[2:])
        created = parse_time(answer[1].decode())
        jobs = [_submitted(submission, created) for submission in submissions]
        for number, shown in zip(told[::2], told[1::2], strict=True):
            jobs[number] = _decoded(submissions[number].id, shown)
        return jobs

    def get(self, job_id: str, access: Access = EVERYTHING) -> Job:
        """One job, in one round trip.

        Takes what the caller may deal with. Raises UnknownJobError: also when the job is another owner's;
        ForbiddenError: its task is none of the caller's.
        """
        return self._run("read", job_id, access)

    @cached_property
    def waiters(self) -> Waiters:
        """Those who wait for the end of a job."""
        from coatcheck.waiting import Waiters

        return Waiters(self._redis, self._keys, self._settings.wait_seats)

    @cached_property
    def files(self) -> FileDesk | None:
        """What is done with files; None: files are off. Raises SettingsError."""
        if not self._settings.files:
            return None
        from coatcheck.files.desk import open_desk

        return open_desk(self._redis, self._keys, self._settings, self.get)

    def cancel(self, job_id: str, access: Access = EVERYTHING, *, idempotency_key: str | None = None) -> Job:
        """Cancel a job that waits; ask for the stop of one that runs. In one round trip.

        The same call with the same idempotency key again changes nothing. Raises UnknownJobError,
        ForbiddenError as ``get``; ConflictError: the job is over.
        """
        return self._run("cancel", job_id, access, _token(idempotency_key))

    def retry(self, job_id: str, access: Access = EVERYTHING, *, idempotency_key: str | None = None) -> Job:
        """Run a failed, stopped or canceled job again, with the same arguments.

        In one round trip, with a callback in two. The same call with the same idempotency key again changes
        nothing.

        It counts like a submission by the job's owner. Raises UnknownJobError, ForbiddenError as ``get``;
        ConflictError: the job is in another state; QueueFullError, RateLimitedError, TooManyWaitingError: a
        limit.
        """
        args = [_token(idempotency_key), self._limits_text]
        answer = self._ask("retry", job_id, access, *args)
        if answer[0] == b"callback":
            url, queue, owner = map(as_text, answer[1:])
            delivery = self._next_delivery(job_id, url, queue, owner or None)
            answer = self._ask("retry", job_id, access, *args, delivery)
        return self._answered(job_id, access, answer)

    def batch(self, batch_id: str, access: Access = EVERYTHING) -> Batch:
        """The jobs that were submitted together: up to 1,000 in one round trip.

        Takes what the caller may deal with. Raises UnknownBatchError: also when the batch is another owner's;
        ForbiddenError: one of its tasks is none of the caller's.
        """
        from coatcheck.batches import read_batch

        with reaching_redis():
            return read_batch(self._scripts, self._keys, batch_id, access)

    def cancel_batch(self, batch_id: str, access: Access = EVERYTHING) -> Batch:
        """Cancel the jobs of a batch that wait, and ask for the stop of those that run.

        Raises UnknownBatchError, ForbiddenError as ``batch``; ConflictError: all of them are over.
        """
        from coatcheck.batches import cancel_batch

        with reaching_redis():
            cancel_batch(self._scripts, self._keys, batch_id, access, _token())
        return self.batch(batch_id, access)

    def deliveries(self, job_id: str, access: Access = EVERYTHING) -> Deliveries:
        """A job's callback, and each attempt to tell the job's end to it.

        Raises UnknownJobError, ForbiddenError as ``get``.
        """
        self.get(job_id, access)
        with reaching_redis():
            return read_deliveries(self._redis, self._keys, job_id)

    def deliver_again(self, job_id: str, access: Access = EVERYTHING) -> Job:
        """Tell the end of a job to its callback once more. Returns the job that does it.

        Raises UnknownJobError, ForbiddenError as ``get``; ConflictError: the job has no callback, or is not
        over.
        """
        job, url = self.get(job_id, access), self.deliveries(job_id).callback
        if url is None:
            raise ConflictError("The job has no callback: it was submitted without one.")
        if not job.ended:
            raise ConflictError(f"The job is {job.status}: its end is told to its callback when it comes.")
        return self.submit([self._delivery(job_id, url, job.queue, job.owner)])[0]

    def equip(self) -> None:
        """Make the next deliveries of jobs that came back when one that they come after was retried.

        Raises RedisError.
        """
        lacking = [as_text(job_id) for job_id in self._redis.zrange(self._keys.uncalled, 0, EQUIP - 1)]
        for job_id in filter(is_job_id, lacking):
            key = self._keys.job(job_id)
            found = self._redis.hmget(key, "callback", "origin", "owner")
            url, queue, owner = (as_text(each or b"") for each in found)
            delivery = self._next_delivery(job_id, url, queue, owner or None)
            self._scripts.run("equip", [key, self._keys.uncalled], job_id, delivery)

    def _next_delivery(self, job_id: str, url: str, queue: str, owner: str | None) -> str:
        """What the hash of a job that runs again shall carry of the delivery of its next end."""
        delivery = self._delivery(job_id, url, queue, owner)
        fields = encode_delivery(delivery, self._settings.failure_ttl, self._signatures)
        return dumps([*chain.from_iterable(fields.items())])

    def _delivery(self, job_id: str, url: str, queue: str, owner: str | None) -> Submission:
        return delivery_of(job_id, url, self._settings.callback_queue or queue, owner)

    def log(self, job_id: str, after: str | None = None, access: Access = EVERYTHING) -> LogPage:
        """What a job's task printed after the cursor of an earlier page. In one round trip.

        Raises UnknownJobError, ForbiddenError as ``get``; InvalidRequestError: the cursor is none that a page
        gave.
        """
        cursor = logs.checked_cursor(after)
        keys = [self._keys.job(_checked(job_id)), self._keys.log(job_id)]
        with reaching_redis():
            answer = self._scripts.run("log", keys, job_id, *access.script_args(), cursor, logs.CHUNKS)
        _raise_refusal(job_id, access, answer)
        return logs.log_page(cursor, *answer[1:4])

    def _run(self, script: str, job_id: str, access: Access, *args: str) -> Job:
        """Run a script about one job that answers with the job."""
        return self._answered(job_id, access, self._ask(script, job_id, access, *args))

    def _ask(self, script: str, job_id: str, access: Access, *args: str) -> Any:
        keys = [self._keys.job(_checked(job_id))]
        with reaching_redis():
            return self._scripts.run(script, keys, job_id, *access.script_args(), *args)

    def _answered(self, job_id: str, access: Access, answer: Sequence[Any]) -> Job:
        _raise_refusal(job_id, access, answer)
        if limit := self._limits.refusal(answer):
            raise limit
        return _decoded(job_id, answer[1])

    def queues(self, names: Sequence[str], access: Access = EVERYTHING) -> list[QueueInfo]:
        """The depth, the oldest wait and the workers of each named queue; of their jobs only the caller's."""
        with reaching_redis():
            return read_queues(self._redis, self._keys, names, access)

    def schedules(self, tasks: Sequence[str]) -> list[ScheduleState]:
        """The state of each named task's schedule."""
        from coatcheck.schedules import read_schedules

        with reaching_redis():
            return read_schedules(self._redis, self._keys, tasks)

    def pause_schedule(self, task: str, paused: bool) -> None:
        """Let a task's ticks pass without a job from now on, or no longer."""
        from coatcheck.schedules import pause_schedule

        with reaching_redis():
            pause_schedule(self._redis, self._keys, task, paused)

    def tick(self, tasks: Sequence[TaskSpec]) -> None:
        """Submit the jobs of periodic tasks that are due."""
        from coatcheck.ticker import Ticker

        with reaching_redis():
            Ticker(self._redis, self._settings, tasks, self._signatures).tick()

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
        batch: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
        access: Access = EVERYTHING,
    ) -> JobPage:
        """A page of jobs, newest first, without their arguments, results and tracebacks.

        Takes filters, the ``cursor`` of the page before, the most jobs to return, and which jobs the caller
        sees: ``Access(owner)`` is the filter for an owner.

        Raises InvalidRequestError: the cursor is none that a page gave; UnknownBatchError: no such batch, or
        another owner's.
        """
        if cursor is not None and not is_job_id(cursor):
            raise InvalidRequestError("The cursor is none that a list of jobs gave: start again without it.")
        with reaching_redis():
            return list_jobs(self._scripts, self._keys, status, queue, task, batch, cursor, limit, access)


def signatures_of(settings: Settings) -> Signatures | None:
    """What signs jobs, None where none are. Raises SettingsError: the keys can't be read."""
    if not settings.signing_keys:
        return None
    from coatcheck.signing import Signatures  # a cold start without keys does without it

    return Signatures.of(settings)


@lru_cache(maxsize=1000)
def _call(owner: str, limits: str, fingerprint: str, ttl: int) -> str:
    """What ``submit.lua`` takes of a call: the same text for all that one owner makes without a key."""
    return dumps({"owner": owner, "limits": json.loads(limits), "fingerprint": fingerprint, "ttl": ttl})


def _links(submissions: Sequence[Submission], access: Access | None, failure_ttl: int) -> str | None:
    """What ``submit_linked.lua`` takes of how the jobs belong to others; None: they don't."""
    first = submissions[0]
    if first.batch is None and first.parent is None and not any(each.after for each in submissions):
        return None
    after = {
        str(number): submission.after for number, submission in enumerate(submissions) if submission.after
    }
    return dumps(
        {
            "access": (access or Access(first.owner)).script_args(),
            "after": after,
            "batch": first.batch or "",
            "batch_ttl": max(failure_ttl, *(submission.result_ttl for submission in submissions)),
            "parent": first.parent or "",
            "children": MAX_CHILDREN,
        }
    )


def _check_cycles(submissions: Sequence[Submission]) -> None:
    """Raises InvalidArgumentsError: some of the jobs would wait for each other for ever."""
    waits = {submission.id: submission.after for submission in submissions if submission.after}
    if len(waits) < 2:
        return
    from coatcheck.cycles import find_cycle

    if cycle := find_cycle(waits):
        job = next(number for number, submission in enumerate(submissions) if submission.id == cycle[0])
        pointer = f"/jobs/{job}/after/{submissions[job].after.index(cycle[1])}"
        raise InvalidArgumentsError(
            "Jobs would wait for each other; nothing was submitted.",
            errors=[FieldError(pointer, "would never come, since it waits for this job too")],
        )


def _submitted(submission: Submission, created_at: datetime) -> Job:
    job = Job(
        id=submission.id,
        task=submission.task,
        queue=submission.queue,
        status=JobStatus.QUEUED,
        arguments=submission.arguments,
        created_at=created_at,
        enqueued_at=created_at,
        owner=submission.owner,
        after=submission.after,
        if_failed=submission.if_failed if submission.after else None,
        batch=submission.batch,
        parent=submission.parent,
        files=submission.files,
    )
    if submission.after:
        return replace(job, status=JobStatus.DEFERRED, enqueued_at=None, scheduled_for=submission.at)
    if submission.at is None:
        return job
    return replace(job, status=JobStatus.SCHEDULED, enqueued_at=None, scheduled_for=submission.at)


def _kept(job_ids: Sequence[bytes], answers: Sequence[Any]) -> list[Job]:
    """Those of the jobs that are kept, and can be read. Raises UnknownJobError: none is."""
    found: list[Job] = []
    missing: UnknownJobError | None = None
    for job_id, shown in zip(job_ids, answers, strict=True):
        try:
            found.append(_decoded(as_text(job_id), shown))
        except UnknownJobError as error:
            missing = error
    if missing is not None and not found:
        raise missing
    return found


def _decoded(job_id: str, shown: Sequence[Sequence[bytes]]) -> Job:
    """A job from what ``shown.lua`` has of it."""
    values, *records = shown
    if not values:
        raise _unknown(job_id)
    try:
        return decode_shown(job_id, values, *records)
    except MalformedJobError as error:
        raise UnknownJobError(f"What Redis holds under {job_id} can't be read: {error}.") from error


def _raise_unlinked(submissions: Sequence[Submission], answer: Sequence[Any]) -> None:
    """What ``submit_linked.lua`` answers when a job that others shall belong to is not there, as an error."""
    match answer[0]:
        case b"dependency":
            number, entry = answer[1:3]
            raise UnknownDependencyError(number, entry, submissions[number].after[entry])
        case b"parent":
            raise _unknown(submissions[0].parent or "")
        case b"children":
            raise ConflictError(f"A job has up to {MAX_CHILDREN} children; nothing was submitted.")


def _raise_refusal(job_id: str, access: Access, answer: Sequence[Any]) -> None:
    """What a script answers when it did nothing, as an error."""
    match answer[0]:
        case b"unknown":
            raise _unknown(job_id)
        case b"forbidden":
            access.check_task(as_text(answer[1]))
            raise _unknown(job_id)
        case b"ended":
            raise ConflictError(f"The job is {as_text(answer[1])} already: there is nothing to stop.")
        case b"blocked":
            raise ConflictError(
                f"The job comes after {as_text(answer[1])}, which {as_text(answer[2])}:"
                " when that one is retried, this job follows."
            )
        case b"refused":
            raise ConflictError(
                f"The job is {as_text(answer[1])}: only failed, stopped and canceled jobs can be retried."
            )


def _checked(job_id: str) -> str:
    if not is_job_id(job_id):
        raise UnknownJobError(
            "That is not the id of a job: it has 36 characters, digits and lower-case letters."
        )
    return job_id


def _token(key: str | None = None) -> str:
    """Tells a call apart from every other, so that redis-py may repeat it when its answer is lost.

    Takes the key by which the caller of the API does so too, None: there is none.
    """
    return secrets.token_hex(8) if key is None else hashlib.sha256(key.encode()).hexdigest()[:32]


def _unknown(job_id: str) -> UnknownJobError:
    return UnknownJobError(
        f"There is no job {job_id}: it was never submitted, or was kept as long as promised."
    )
