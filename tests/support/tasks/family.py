"""Tasks that submit others."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from coatcheck import File, submit, task
from coatcheck.errors import ProblemError
from tests.support.tasks.odd import add, echo


def one(queue: str | None = None, delay: float = 0) -> str:
    """Submits a child, by its function."""
    return submit(add, {"left": 40}, queue=queue, delay=delay)


def one_later(path: str) -> str:
    """Waits until a file exists, and then submits a child."""
    while not Path(path).exists():
        time.sleep(0.02)
    return submit(add, {"left": 40})


def chain(if_failed: str = "cancel") -> list[str]:
    """Submits a child, and another one that takes its result."""
    first = submit("odd.echo", {"value": {"rows": [40]}})
    second = submit(add, {"left": {"$result": first, "pointer": "/rows/0"}})
    return [first, second, submit(echo, {"value": "last"}, after=[second], if_failed=if_failed)]


def attempt(order: dict[str, Any], name: Any = "odd.add") -> list[Any]:
    """Tries to submit a child; returns the error's name, what it says, and where."""
    try:
        submit(name, **order)
    except ProblemError as error:
        return [type(error).__name__, error.detail, [each.pointer for each in error.errors]]
    except (ValueError, RuntimeError) as error:
        return [type(error).__name__, str(error), []]
    return []


def attempt_what_is_no_json() -> str:
    """Tries to submit a child with what JSON can't hold."""
    try:
        submit(echo, {"value": object()})
    except ProblemError as error:
        return error.slug
    return ""


def alike(count: int) -> list[str]:
    """Submits children that do not differ."""
    return [submit(echo, {"value": 1}) for _ in range(count)]


def hand_on(table: File) -> list[str]:
    """Submits children with the file that it was given, and with one that it makes; one takes the other's."""
    made = File.of(b"made", name="made.txt")
    first = submit(read_file, {"file": table})
    second = submit(read_file, {"file": made})
    returned = submit(make_file)
    return [first, second, submit(read_file, {"file": {"$result": returned}})]


def read_file(file: File) -> str:
    """Tells what is in a file."""
    return file.path.read_text()


def make_file() -> File:
    """Returns a file."""
    return File.of(b"returned", name="returned.txt")


@task(retries=1)
def hand_on_twice(journal: str) -> str:
    """Submits a child with a file, and fails in its first run."""
    child = submit(read_file, {"file": File.of(b"same", name="same.txt")})
    if not Path(journal).exists():
        Path(journal).touch()
        raise RuntimeError("the first run fails")
    return child


def crowd(count: int) -> list[str]:
    """Submits children from many threads."""
    ids: list[str] = []
    threads = [
        threading.Thread(target=lambda number=number: ids.append(submit(echo, {"value": number})))
        for number in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ids


async def gathered(count: int) -> list[str]:
    """Submits children at once, as an async task does."""
    calls = [asyncio.to_thread(submit, echo, {"value": number}) for number in range(count)]
    return [submit(echo, {"value": -1}), *await asyncio.gather(*calls)]


def in_a_process() -> list[str]:
    """Tries to submit from a process of its own."""
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        told: list[str] = pool.apply(attempt, ({"arguments": {"left": 1}},))
    return told


@task(retries=5)
def reckless(journal: str, children: int) -> list[str]:
    """Submits children; is killed in its first run, and its worker in the second, each time a bit later."""
    with Path(journal).open("a") as file:
        file.write("run\n")
    runs = len(Path(journal).read_text().splitlines())
    ids = []
    for number in range(children):
        ids.append(submit(echo, {"value": number}))
        if number == 2 * runs and runs <= 2:
            os.kill(os.getpid() if runs == 1 else os.getppid(), signal.SIGKILL)
    return ids
