"""Pauses between two tries to reach Redis."""

from __future__ import annotations

import logging
import time

from redis import RedisError

from worker_image.telemetry import Telemetry

RECONNECT_SECONDS = 0.2
"""First pause between two tries to reach Redis; each further one is twice as long."""
LONGEST_PAUSE = 5.0
"""Longest pause, in seconds."""
QUIET_SECONDS = 60.0
"""Between two lines about the same failure, once the pauses grow no more: there may be many workers."""

log = logging.getLogger("coatcheck.worker")


class Patience:
    """When to use Redis again: soon enough to be back, when Redis is, before a lease of then ends.

    Takes the seconds of a lease, and whom to tell of failures.
    """

    def __init__(self, lease: float, telemetry: Telemetry) -> None:
        self._longest = min(LONGEST_PAUSE, lease / 4)
        self._telemetry = telemetry
        self._pause = RECONNECT_SECONDS
        self._until = 0.0
        self._told = ("", 0.0)
        self._tell_at = 0.0

    def failed(self, error: RedisError, what: str = "") -> None:
        """Redis could not be used. Takes what for, for the log."""
        self._telemetry.redis_failed()
        now = time.monotonic()
        if self._told != (what, self._pause) or now >= self._tell_at:
            log.warning(
                "%sRedis can't be used (%s); trying again in %.1f s",
                f"{what}: " if what else "",
                type(error).__name__,
                self._pause,
            )
            self._told, self._tell_at = (what, self._pause), now + QUIET_SECONDS
        self._until = now + self._pause
        self._pause = min(2 * self._pause, self._longest)

    def worked(self) -> None:
        """Redis answered."""
        if self._until:
            log.info("Redis can be used again")
            self._told = ("", 0.0)
        self._pause, self._until = RECONNECT_SECONDS, 0.0

    def left(self) -> float:
        """Seconds until the next try; 0: now."""
        return max(0.0, self._until - time.monotonic()) if self._until else 0.0
