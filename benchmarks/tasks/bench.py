"""A task that does nothing, and one that waits: what is measured is all that is around them."""

from __future__ import annotations

import asyncio


def noop() -> int:
    """Nothing, with a result."""
    return 1


async def asleep(seconds: float) -> float:
    """Waits, as for an answer from elsewhere."""
    await asyncio.sleep(seconds)
    return seconds


def payload(text: str, number: int) -> int:
    """Arguments as a client may send them."""
    return len(text) + number
