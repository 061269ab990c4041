"""What a job's task printed, read piece by piece."""

from __future__ import annotations

import re
from dataclasses import dataclass

import redis

from coatcheck.connection import as_text
from coatcheck.errors import InvalidRequestError
from coatcheck.job import ENDED_STATUSES
from coatcheck.keys import Keys

CURSOR = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
"""The id of a stream's entry: two numbers of 64 bits, of which those of 20 digits never come."""
START = "0-0"
CHUNKS = 500
"""Most pieces in one answer; a worker writes a piece of at most 64 KiB."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """A piece of a log. Ask again with ``after=next``; ``ended`` means that nothing more follows.

    ``cut`` tells that the task printed more than ``COATCHECK_MAX_LOG`` and the rest is not kept.
    """

    text: str
    next: str
    ended: bool
    cut: bool


def read_log(client: redis.Redis, keys: Keys, job_id: str, after: str | None) -> LogPage | None:
    """The piece of a job's log after a cursor, None when there is no such job.

    Raises InvalidRequestError: the cursor is none that a page gave.
    """
    cursor = after or START
    if not CURSOR.fullmatch(cursor):
        raise InvalidRequestError("The cursor is none that a log gave: start again without 'after'.")
    pipeline = client.pipeline()
    pipeline.hget(keys.job(job_id), "status")
    pipeline.xrange(keys.log(job_id), f"({cursor}", "+", count=CHUNKS)
    status, entries = pipeline.execute()
    if status is None:
        return None
    return LogPage(
        text="".join(fields.get(b"t", b"").decode("utf-8", "replace") for _, fields in entries),
        next=entries[-1][0].decode() if entries else cursor,
        ended=as_text(status) in ENDED_STATUSES and len(entries) < CHUNKS,
        cut=any(b"cut" in fields for _, fields in entries),
    )
