"""How many bytes of uploads an owner may begin in a day, so that nobody fills the store. Redis decides.

What was announced counts, when it is announced: a store takes no other size. What is deleted again counts all
the same. The headers are those of ``coatcheck/limits.py``.
"""

from __future__ import annotations

import math

from coatcheck.connection import reaching_redis
from coatcheck.errors import TooMuchUploadedError
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import DAY

MICROSECONDS = 1_000_000
SMALLEST = 1_000_000
"""Bytes that a file counts for at least: what Redis knows of it takes room too."""


class UploadLimit:
    """Takes what runs scripts, the names of keys, and the most bytes of an owner in a day; 0: any."""

    def __init__(self, scripts: Scripts, keys: Keys, per_day: int) -> None:
        self._scripts = scripts
        self._keys = keys
        self._per_day = per_day

    def largest(self, owner: str | None) -> float:
        """The most bytes that a file of an owner can have: more would never be let in."""
        return self._per_day if owner and self._per_day else math.inf

    def take(self, size: int, owner: str | None) -> dict[str, str]:
        """Count an upload of so many bytes. Returns headers about what is left.

        Raises TooMuchUploadedError: then it is not counted; UnavailableError.
        """
        if not owner or not self._per_day:
            return {}
        counted = min(max(size, SMALLEST), self._per_day)
        with reaching_redis():
            wait, used = self._scripts.run("upload", [self._keys.uploads(owner)], counted, self._per_day)
        headers = self._headers(used)
        if wait:
            seconds = math.ceil(wait / MICROSECONDS)
            raise TooMuchUploadedError(
                f"At most {self._per_day:,} bytes a day are taken from one caller; nothing was begun."
                f" There is room for {counted:,} in {seconds} s.",
                headers={"Retry-After": str(seconds), **headers},
            )
        return headers

    def _headers(self, used: int) -> dict[str, str]:
        """Takes the microseconds until all of the bytes are there again."""
        day = DAY * MICROSECONDS
        left, seconds = self._per_day * (day - used) // day, math.ceil(used / MICROSECONDS)
        return {
            "RateLimit-Policy": f'"uploads";q={self._per_day};w={DAY};qu="content-bytes"',
            "RateLimit": f'"uploads";r={left};t={seconds}',
        }
