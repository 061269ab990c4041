"""How many jobs may wait and come: on a queue, and of one owner. Redis decides, in a submission's script.

The headers are those of draft-ietf-httpapi-ratelimit-headers-11: ``RateLimit-Policy`` tells the limits,
``RateLimit`` what is left of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from coatcheck.codec import dumps
from coatcheck.errors import (
    PayloadTooLargeError,
    ProblemError,
    QueueFullError,
    RateLimitedError,
    TooManyWaitingError,
)
from coatcheck.settings import Settings

MINUTE = 60
BUSY_SECONDS = 5
"""``Retry-After`` where workers have to make room first; nobody knows how long that takes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Jobs that may wait on a queue, jobs of an owner that may wait, and come in a minute; 0: any."""

    queued: int = 0
    waiting: int = 0
    per_minute: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of the settings."""
        return cls(settings.max_queued, settings.max_waiting, settings.jobs_per_minute)

    def __str__(self) -> str:
        """As ``lua/parts/limits.lua`` takes them."""
        return dumps(asdict(self))

    def check_size(self, jobs: int, owner: str) -> None:
        """Refuse what no waiting would ever let in. Raises PayloadTooLargeError."""
        if jobs == 1:
            return
        mine = (self.queued, self.waiting, self.per_minute) if owner else (self.queued,)
        most = min([limit for limit in mine if limit], default=jobs)
        if jobs > most:
            raise PayloadTooLargeError(f"{jobs} jobs at once are more than the limit of {most}: send fewer.")

    def headers(self, answer: Sequence[int]) -> dict[str, str]:
        """The headers for a script's answer: what is left, microseconds until there is more, what waits."""
        if not answer:
            return {}
        left, microseconds, waiting = answer
        policies, services = [], []
        if self.per_minute:
            policies.append(f'"minute";q={self.per_minute};w={MINUTE}')
            services.append(f'"minute";r={left};t={_seconds(microseconds)}')
        if self.waiting:
            policies.append(f'"waiting";q={self.waiting}')
            services.append(f'"waiting";r={max(0, self.waiting - waiting)}')
        if not policies:
            return {}
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(services)}

    def refusal(self, answer: Sequence[Any]) -> ProblemError | None:
        """The error that a script's answer stands for; None: nothing was refused for a limit."""
        kind = answer[0]
        if kind not in (b"full", b"waiting", b"rate"):
            return None
        headers = self.headers(answer[2:])
        if kind == b"full":
            return QueueFullError(
                f"At most {self.queued} jobs may wait on the queue {answer[1].decode()}, and it is full;"
                " nothing was submitted.",
                headers={"Retry-After": str(BUSY_SECONDS), **headers},
            )
        if kind == b"waiting":
            return TooManyWaitingError(
                f"At most {self.waiting} jobs of one caller may wait, and {answer[1]} do;"
                " nothing was submitted.",
                headers={"Retry-After": str(BUSY_SECONDS), **headers},
            )
        wait = max(1, _seconds(answer[1]))
        return RateLimitedError(
            f"At most {self.per_minute} jobs a minute are taken from one caller; nothing was submitted."
            f" There is room in {wait} s.",
            headers={"Retry-After": str(wait), **headers},
        )


def _seconds(microseconds: int) -> int:
    return math.ceil(microseconds / 1_000_000)
