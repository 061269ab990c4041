"""Tasks that misbehave, or record that they ran."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from coatcheck import progress, task


def _record(journal: str) -> None:
    """Append a line to a file, as a trace of a run that does not depend on Redis."""
    with Path(journal).open("a") as file:
        file.write(f"{os.getpid()}\n")


def add(left: int, right: int = 2) -> int:
    """Adds two numbers."""
    return left + right


def echo(value: Any) -> Any:
    """Returns its argument."""
    return value


def wait_for(path: str, journal: str, message: str = "waiting") -> str:
    """Records its run, then waits until a file exists."""
    _record(journal)
    print(message)
    progress(0.5, message)
    while not Path(path).exists():
        time.sleep(0.02)
    return "seen"


@task(retries=0)
def wait_once(path: str, journal: str) -> str:
    """Like wait_for, but may never run twice."""
    return wait_for(path, journal)


@task(retries=2, retry_delays=[0, 1])
def fail_until(path: str, times: int) -> int:
    """Fails the first times, counted in a file."""
    _record(path)
    runs = len(Path(path).read_text().splitlines())
    if runs <= times:
        raise RuntimeError(f"run {runs} fails")
    return runs


def swallow() -> str:
    """Tries to survive its time-out."""
    while True:
        try:
            time.sleep(0.05)
        except Exception:
            print("swallowed")


def stubborn() -> None:
    """Survives even the time-out's own error, so only a kill ends it."""
    while True:
        try:
            time.sleep(10)
        except BaseException:
            print("survived")


def exit_at_once(status: int) -> None:
    """Ends its process without a word."""
    os._exit(status)


def system_exit() -> None:
    """Calls sys.exit."""
    sys.exit(3)


def kill_itself(journal: str) -> None:
    """Records its run and is killed, as by the kernel when memory is short."""
    _record(journal)
    os.kill(os.getpid(), signal.SIGKILL)


def kill_worker(journal: str) -> None:
    """Records its run and takes its worker process with it."""
    _record(journal)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def large(size: int) -> str:
    """Returns a text of that many characters."""
    return "x" * size


def not_json() -> object:
    """Returns what JSON can't hold."""
    return object()


def not_a_number() -> list[float]:
    """Returns numbers that JSON can't hold."""
    return [1.5, math.nan, math.inf]


def talk(lines: int) -> None:
    """Prints on every way there is."""
    for number in range(lines):
        print(f"out {number}")
    print("err", file=sys.stderr)
    logging.getLogger("task").info("logged")
    os.write(1, b"raw\n")
    subprocess.run(["echo", "child"], check=True)
    print("ünï", end="")


async def asynchronous(seconds: float) -> str:
    """Waits in an event loop."""
    await asyncio.sleep(seconds)
    return "awaited"


_met: dict[str, list[asyncio.Event]] = {}


async def meet(name: str, count: int) -> int:
    """Waits until as many of these are in one process at once; returns its id."""
    event = asyncio.Event()
    _met.setdefault(name, []).append(event)
    if len(_met[name]) == count:
        for each in _met.pop(name):
            each.set()
    await event.wait()
    return os.getpid()


async def await_file(path: str, journal: str, message: str = "waiting") -> int:
    """Records its run, then waits until a file exists, as an async task does; returns its process."""
    _record(journal)
    print(message)
    logging.getLogger("task").info("logged %s", message)
    progress(0.5, message)
    while not Path(path).exists():
        await asyncio.sleep(0.02)
    return os.getpid()


@task(retries=0)
async def await_once(path: str, journal: str) -> int:
    """Like await_file, but may never run twice."""
    return await await_file(path, journal)


async def stay() -> None:
    """Does not end when it is told to."""
    while True:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            print("stayed")


async def block(journal: str) -> None:
    """Keeps its event loop from going on."""
    _record(journal)
    time.sleep(600)


async def exit_beside(status: int) -> None:
    """Ends its process, and so what runs beside it."""
    await asyncio.sleep(0.1)
    os._exit(status)


async def leave_a_task(path: str) -> None:
    """Starts something in the event loop and does not wait for it."""

    async def touch() -> None:
        await asyncio.sleep(0.5)
        Path(path).touch()

    asyncio.get_running_loop().create_task(touch())
    await asyncio.sleep(0)


async def say_in_thread() -> None:
    """Prints in a thread of its own."""
    await asyncio.to_thread(print, "from a thread")


def which_process() -> int:
    """Tells the id of its process."""
    return os.getpid()


@task(queue="other")
def on_other_queue() -> str:
    """Waits on a queue of its own."""
    return "other"


def note(journal: str, name: str, seconds: float) -> str:
    """Appends its name to a file, then takes its time."""
    with Path(journal).open("a") as file:
        file.write(f"{name}\n")
    time.sleep(seconds)
    return name


def leave_a_child() -> None:
    """Leaves a process behind whose parent is gone, and which then ends."""
    subprocess.run(["sh", "-c", "sleep 0.2 & sleep 0.1 &"], check=True)


def count(to: int, pause: float) -> int:
    """Prints numbers, one after another."""
    for number in range(to):
        print(number)
        time.sleep(pause)
    return to


def inner_span(kill: bool = False) -> str:
    """Makes a span of its own, as a library that the task uses would; returns the current trace."""
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    with trace.get_tracer("task").start_as_current_span("inner"):
        pass
    if kill:
        provider: Any = trace.get_tracer_provider()
        provider.force_flush()
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{context.trace_id:032x}"


def imported(names: list[str]) -> list[str]:
    """Which of these modules its process has imported."""
    return [name for name in names if name in sys.modules]
