"""What became of the deliveries to a job's callback: a line for each attempt, kept in the job's hash."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import redis

from coatcheck.codec import dumps
from coatcheck.connection import as_text
from coatcheck.keys import Keys

if TYPE_CHECKING:
    from coatcheck.scripts import Scripts

MAX_ATTEMPTS = 50
"""Attempts that are kept of one job: the newest ones."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to tell a job's end to its callback.

    ``delivery`` is the id of the job that made it, ``at`` when it began (RFC 3339), ``seconds`` how long it
    took; ``status`` of the receiver's answer, None without one; ``error`` why it has failed, None if it has
    not.
    """

    delivery: str
    attempt: int
    at: str
    seconds: float
    event: str
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Deliveries:
    """A job's callback (None: it has none), and all attempts to tell its end, oldest first."""

    callback: str | None
    attempts: tuple[Attempt, ...] = ()


def read_deliveries(client: redis.Redis, keys: Keys, job_id: str) -> Deliveries:
    """A job's deliveries. What can't be read is left out."""
    callback, lines = client.hmget(keys.job(job_id), ["callback", "deliveries"])
    attempts = [_attempt(line) for line in as_text(lines or b"").splitlines()]
    return Deliveries(
        callback=None if callback is None else as_text(callback),
        attempts=tuple(attempt for attempt in attempts if attempt is not None),
    )


def record_attempt(scripts: Scripts, keys: Keys, job_id: str, attempt: Attempt) -> bool:
    """Add an attempt to a job's deliveries. Returns False when the job is not kept any more."""
    line = dumps(asdict(attempt))
    return bool(scripts.run("delivered", [keys.job(job_id)], line, MAX_ATTEMPTS))


def _attempt(line: str) -> Attempt | None:
    try:
        fields = json.loads(line)
        return Attempt(
            delivery=str(fields["delivery"]),
            attempt=int(fields["attempt"]),
            at=str(fields["at"]),
            seconds=float(fields["seconds"]),
            event=str(fields["event"]),
            status=None if fields["status"] is None else int(fields["status"]),
            error=None if fields["error"] is None else str(fields["error"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
