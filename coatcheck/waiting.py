"""Waiting for a job's end without asking again and again: the script that ends a job publishes it.

Each waiter has a connection of its own to Redis, on which it sleeps until something comes. What comes is only
ever a reason to look at the job: that the subscription is confirmed, maybe after a reconnect, tells that no
later end can be missed; a message tells that the job has ended. So nobody misses an end by a lost message.

Imported by the first request that waits.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable

import redis

from coatcheck.connection import reaching_redis
from coatcheck.job import Job
from coatcheck.keys import Keys

LOOK_SECONDS = 10.0
"""How long a waiter that hears nothing sleeps before it looks: its connection may have died unnoticed, and
RQ's own tools end jobs without a word."""
LOOKS = 8
"""How many waiters of a process look at once: when many jobs end together, other requests get their turn."""


class Waiters:
    """The waiters of one process.

    Takes a client, the names of the keys, and ``seats``: how many may wait at once in this process. The first
    of them sees to it that all processes that share the keys have no more either, which bounds them on
    Lambda, where each waiter has a process of its own.
    """

    def __init__(self, client: redis.Redis, keys: Keys, seats: int) -> None:
        self._client = client
        self._keys = keys
        self._seats = seats
        self._lock = threading.Lock()
        self._taken: set[str] = set()
        self._looking = threading.BoundedSemaphore(LOOKS)
        theirs = client.connection_pool
        self._lines = redis.ConnectionPool(
            connection_class=theirs.connection_class, max_connections=seats, **theirs.connection_kwargs
        )

    def wait(self, job_id: str, seconds: float, look: Callable[[], Job]) -> Job | None:
        """The job once it is over, or as it is after so many seconds.

        Takes what looks at it. Returns None at once when no seat is free. Raises what ``look`` raises, and
        UnavailableError.
        """
        end = time.monotonic() + seconds
        seat = self._keys.waiter(secrets.token_hex(8))
        with self._lock:
            if len(self._taken) >= self._seats:
                return None
            self._taken.add(seat)
            first = len(self._taken) == 1
        try:
            with reaching_redis(), redis.client.PubSub(self._lines) as line:
                line.subscribe(seat, self._keys.ended(job_id))
                while True:
                    left = max(0.0, end - time.monotonic())
                    heard = line.get_message(timeout=min(left, LOOK_SECONDS)) or {}
                    of_seat = heard.get("channel") == seat.encode()
                    if of_seat and heard["type"] == "subscribe":
                        if first and self._taken_everywhere() > self._seats:
                            return None
                        continue
                    with self._looking:
                        job = look()
                    if job.ended or of_seat or not left:
                        return job
        finally:
            self._taken.remove(seat)

    def dismiss(self) -> None:
        """Have the waiters of this process answered now. Raises UnavailableError."""
        pipeline = self._client.pipeline(transaction=False)
        for seat in tuple(self._taken):
            pipeline.publish(seat, "")
        with reaching_redis():
            pipeline.execute()

    def _taken_everywhere(self) -> int:
        # Not one channel for all, and PUBSUB NUMSUB: Valkey 9.1 answers that with a random number at times.
        return len(self._client.pubsub_channels(self._keys.waiter("*")))
