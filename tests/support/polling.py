"""Waiting for something to become true, within a time that only a fault can exceed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def eventually(check: Callable[[], Value | None], *, seconds: float = 30, what: str = "") -> Value:
    """The first truthy value of ``check``; fails the test when none comes within ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or check}; last value: {value!r}")
        time.sleep(0.02)
