"""Tasks that tell which job they belong to."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from coatcheck import job_id, task
from tests.support.tasks.odd import meet


@task(retries=1)
def plain(journal: str) -> list[str]:
    """Appends its job's id to a file, and fails in its first run; returns the id as a thread sees it too."""
    _record(journal)
    seen = [job_id()]
    thread = threading.Thread(target=lambda: seen.append(job_id()))
    thread.start()
    thread.join()
    return seen


@task(retries=1)
async def together(journal: str, name: str, count: int) -> list[str]:
    """Does as ``plain`` does, in a process where as many of these run at once."""
    await meet(name, count)
    _record(journal)
    child = asyncio.create_task(_seen_later())
    return [job_id(), await asyncio.to_thread(job_id), await child]


async def in_a_thread_of_its_own() -> str:
    """Returns what a thread is told that nobody knows to be its task's."""
    told: list[str] = []

    def ask() -> None:
        try:
            told.append(job_id())
        except RuntimeError as error:
            told.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    await asyncio.to_thread(thread.join)
    return told[0]


async def _seen_later() -> str:
    await asyncio.sleep(0.01)
    return job_id()


def _record(journal: str) -> None:
    path = Path(journal)
    first = not path.exists()
    with path.open("a") as file:
        file.write(f"{job_id()}\n")
    if first:
        raise RuntimeError("the first run fails")
