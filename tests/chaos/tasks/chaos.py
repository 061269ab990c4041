"""Tasks of the chaos suite: each tells the journal what it does, and returns which run it was."""

from __future__ import annotations

import asyncio
import mmap
import os
import time

from coatcheck import progress, task
from tests.chaos.journal import Writer, begun

TICK = 0.1
"""Seconds between two signs of life of a task that takes its time."""
FAR_TOO_MUCH = 1 << 45
"""Bytes; more than a process with a limit of memory can have, and not touched anyway."""


class PlannedError(Exception):
    """What a task raises that is meant to fail: its text is the run's id."""


def quick(token: str) -> str:
    """Does next to nothing."""
    run = Writer(token)
    print(f"<{run.run} 0>")
    run.write("returned")
    return run.run


def steps(token: str, seconds: float, silent: bool = False) -> str:
    """Takes its time, prints and reports."""
    return _steps(token, seconds, silent)


async def waits(token: str, seconds: float, silent: bool = False) -> str:
    """Like steps, with others in one process."""
    run = Writer(token)
    end = time.monotonic() + seconds
    number = 0
    while True:
        left = end - time.monotonic()
        if not silent:
            print(f"<{run.run} {number}>")
            progress(1 - left / seconds if seconds else 1, f"step {number}")
        if left <= 0:
            break
        await asyncio.sleep(min(TICK, left))
        run.write("tick")
        number += 1
    run.write("returned")
    return run.run


@task(retries=0)
def once(token: str, seconds: float, silent: bool = False) -> str:
    """Like steps, but may never run twice."""
    return _steps(token, seconds, silent)


@task(retries=4, retry_delays=[0, 1])
def flaky(token: str, failures: int) -> str:
    """Fails in its first runs."""
    run = Writer(token)
    if begun(token) <= failures:
        run.write("raised")
        raise PlannedError(run.run)
    run.write("returned")
    return run.run


def broken(token: str) -> str:
    """Fails in each run."""
    run = Writer(token)
    run.write("raised")
    raise PlannedError(run.run)


@task(retries=3)
def exits(token: str) -> str:
    """Ends its process without a word, the first time."""
    run = Writer(token)
    if begun(token) == 1:
        os._exit(7)
    run.write("returned")
    return run.run


def hungry(token: str, megabytes: int) -> str:
    """Takes some memory and lets it go, and asks for more than there is if there is a limit."""
    run = Writer(token)
    held = bytearray(megabytes << 20)
    try:
        mmap.mmap(-1, FAR_TOO_MUCH).close()
    except (OSError, MemoryError):
        print(f"<{run.run} 0>")
    del held
    run.write("returned")
    return run.run


def _steps(token: str, seconds: float, silent: bool) -> str:
    run = Writer(token)
    end = time.monotonic() + seconds
    number = 0
    while True:
        left = end - time.monotonic()
        if not silent:
            print(f"<{run.run} {number}>")
            progress(1 - left / seconds if seconds else 1, f"step {number}")
        if left <= 0:
            break
        time.sleep(min(TICK, left))
        run.write("tick")
        number += 1
    run.write("returned")
    return run.run
