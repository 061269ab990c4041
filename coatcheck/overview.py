"""How the queues are: depth, oldest wait, workers and what each of them does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import redis

from coatcheck.connection import as_text
from coatcheck.job import JobStatus, parse_time, utcnow
from coatcheck.keys import Keys
from coatcheck.listing import REGISTRIES
from coatcheck.scopes import EVERYTHING, Access

WORKER_SILENCE = 30
"""Seconds without a heartbeat after which a worker counts as gone."""

_REGISTRIES = {status: name for status, name in REGISTRIES.items() if status is not JobStatus.STOPPED}


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One worker process that lives."""

    name: str
    queue: str
    state: str
    job: str | None
    hostname: str
    pid: int | None
    version: str
    started_at: datetime | None
    last_heartbeat: datetime


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """One queue.

    ``counts`` has the number of jobs by status (``failed`` includes the stopped ones), ``oldest_wait`` the
    seconds that the first waiting job has waited, None when none waits.
    """

    name: str
    counts: dict[str, int]
    oldest_wait: float | None
    workers: list[WorkerInfo] = field(default_factory=list)


def read_queues(
    client: redis.Redis, keys: Keys, names: Sequence[str], access: Access = EVERYTHING
) -> list[QueueInfo]:
    """The named queues, in that order, in two round trips. Nothing is changed by reading.

    Of what workers do only the jobs are told that the caller sees, which is a third round trip.
    """
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.llen(keys.queue(name))
        pipeline.llen(keys.intermediate(name))
        pipeline.lindex(keys.queue(name), 0)
        pipeline.smembers(keys.workers_of(name))
        for registry in _REGISTRIES.values():
            pipeline.zcard(keys.registry(registry, name))
    answers = iter(pipeline.execute())

    rows = []
    for name in names:
        waiting, taken, head, workers = next(answers), next(answers), next(answers), next(answers)
        counts = {JobStatus.QUEUED.value: waiting + taken}
        counts |= {status.value: next(answers) for status in _REGISTRIES}
        rows.append((name, counts, head.decode("utf-8", "replace") if head else None, sorted(workers)))

    for _, _, head, workers in rows:
        if head is not None:
            pipeline.hmget(keys.job(head), "enqueued_at", "created_at")
        for worker in workers:
            pipeline.hgetall(worker)
            pipeline.srandmember(worker + b":executions")
    answers = iter(_understood(answer) for answer in pipeline.execute(raise_on_error=False))

    now = utcnow()
    queues = []
    for name, counts, head, workers in rows:
        oldest = _age(next(answers), now) if head is not None else None
        found = [
            _worker(as_text(key).removeprefix(keys.worker("")), name, next(answers), next(answers))
            for key in workers
        ]
        alive = [
            worker
            for worker in found
            if worker is not None and (now - worker.last_heartbeat).total_seconds() < WORKER_SILENCE
        ]
        queues.append(QueueInfo(name, counts, oldest, alive))
    return queues if access == EVERYTHING else _only_theirs(client, keys, queues, access)


def _understood(answer: Any) -> Any:
    """An answer; None where a key holds something else than what it should. Raises redis.ResponseError."""
    if isinstance(answer, redis.ResponseError):
        if "WRONGTYPE" not in str(answer):
            raise answer
        return None
    return answer


def _only_theirs(
    client: redis.Redis, keys: Keys, queues: Sequence[QueueInfo], access: Access
) -> list[QueueInfo]:
    """The queues, whose workers show only those jobs that the caller sees."""
    running = sorted({worker.job for queue in queues for worker in queue.workers if worker.job})
    pipeline = client.pipeline(transaction=False)
    for job_id in running:
        pipeline.hmget(keys.job(job_id), "owner", "description")
    theirs = {
        job_id
        for job_id, answer in zip(running, pipeline.execute(raise_on_error=False), strict=True)
        if isinstance(answer, list) and all(answer) and access.sees(*map(as_text, answer))
    }
    return [
        replace(
            queue,
            workers=[replace(each, job=each.job if each.job in theirs else None) for each in queue.workers],
        )
        for queue in queues
    ]


def _age(times: Sequence[bytes | None], now: datetime) -> float | None:
    """How long a job has waited; a new one was put on its queue as it was created."""
    enqueued_at, created_at = times
    try:
        return max(0.0, (now - parse_time((enqueued_at or created_at or b"").decode())).total_seconds())
    except ValueError:
        return None


def _worker(
    name: str, queue: str, fields: Mapping[bytes, bytes] | None, execution: bytes | None
) -> WorkerInfo | None:
    if fields is None:
        return None

    def text(key: bytes) -> str:
        return fields.get(key, b"").decode("utf-8", "replace")

    if not text(b"last_heartbeat") or text(b"death"):
        return None
    try:
        return WorkerInfo(
            name=name,
            queue=queue,
            state=text(b"state") or "started",
            job=as_text(execution).partition(":")[0] if execution else None,
            hostname=text(b"hostname"),
            pid=int(text(b"pid")) if text(b"pid") else None,
            version=text(b"catalog"),
            started_at=parse_time(text(b"birth")) if text(b"birth") else None,
            last_heartbeat=parse_time(text(b"last_heartbeat")),
        )
    except ValueError:
        return None  # a damaged entry: one worker less is shown, not none at all
