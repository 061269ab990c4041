"""The work-horses of a worker: one that runs a job at a time, and one that runs many async tasks at once."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from coatcheck.errors import CatalogError
from coatcheck.settings import Settings
from worker_image.horse_process import READ_SIZE, START_TIMEOUT, Event, HorseProcess

ELSEWHERE = object()
"""Marks what others read."""


class HorseDiedError(Exception):
    """A work-horse ended by itself; the message tells how."""


class Horses:
    """Takes the settings, which tell when a horse is worn, and what to call when one is ready.

    ``tasks`` are the names of all tasks, ``asynchronous`` those of them that can run with others.
    """

    def __init__(self, settings: Settings, on_ready: Callable[[HorseProcess], object]) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self.tasks: frozenset[str] = frozenset()
        self.asynchronous: frozenset[str] = frozenset()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_writer.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._plain: HorseProcess | None = None
        self._concurrent: HorseProcess | None = None
        self._retired: list[HorseProcess] = []
        self.elsewhere = False
        """Whether there was something to read for others, as of the last events."""

    @property
    def plain(self) -> HorseProcess:
        """The horse that runs a job at a time, started if there is none; it may not be ready yet."""
        if self._plain is None:
            self._plain = HorseProcess(self._selector)
        return self._plain

    @property
    def concurrent(self) -> HorseProcess:
        """The horse that runs async tasks, started if there is none; it may not be ready yet."""
        if self._concurrent is None:
            self._concurrent = HorseProcess(self._selector, concurrent=True)
        return self._concurrent

    def ready(self) -> HorseProcess:
        """The horse that runs a job at a time, once it is ready.

        Raises CatalogError: a task can't be offered; HorseDiedError: the process ended while it started.
        """
        horse, printed = self.plain, ""
        while not horse.ready:
            for teller, (_, event) in self.events(START_TIMEOUT):
                if teller is not horse:
                    continue
                printed += event.get("output", "")
                if "broken" in event:
                    self.kill(horse)
                    raise CatalogError(event["broken"])
                if "died" in event:
                    self.kill(horse)
                    raise HorseDiedError(f"{event['died']} while it imported the tasks:\n{printed}".rstrip())
            if horse.late:
                self.kill(horse)
                raise HorseDiedError(f"importing the tasks took longer than {START_TIMEOUT:g} s")
        return horse

    def events(self, timeout: float) -> Iterator[tuple[HorseProcess, Event]]:
        """What the horses reported within ``timeout`` seconds, at once when there is something."""
        found: dict[HorseProcess, list[object]] = {}
        self.elsewhere = False
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._wake_reader.recv(READ_SIZE)
            elif key.data is ELSEWHERE:
                self.elsewhere = True
            else:
                found.setdefault(key.data, []).append(key.fileobj)
        for horse, ends in found.items():
            for run, event in horse.hear(ends):
                if "ready" in event:
                    self.tasks, self.asynchronous = horse.tasks, horse.asynchronous
                    self._on_ready(horse)
                yield horse, (run, event)

    def watch(self, source: Any) -> None:
        """Have ``events`` return when there is something to read, which is for others to do."""
        self._selector.register(source, selectors.EVENT_READ, ELSEWHERE)

    def forget(self, source: Any) -> None:
        """The opposite of ``watch``, before the source is closed."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(source)

    def late(self) -> list[HorseProcess]:
        """Those whose imports take too long."""
        return [horse for horse in (self._plain, self._concurrent) if horse is not None and horse.late]

    def wake(self) -> None:
        """Make ``events`` return at once. Safe from any thread, and from a signal's handler."""
        with suppress(OSError):  # full: it wakes anyway; closed: nobody waits any more
            self._wake_writer.send(b".")

    def replace_worn(self, horse: HorseProcess) -> None:
        """Give a horse that has run its share no more jobs; it ends with its last run."""
        limit = self._settings.worker_memory_limit * 1024 * 1024
        if horse.jobs_run >= self._settings.worker_jobs_per_process or 0 < limit <= horse.memory:
            self._forget(horse)
            self._retired.append(horse)
        if horse in self._retired and not horse.runs:
            self.kill(horse)

    def kill(self, horse: HorseProcess) -> None:
        """End a horse, with what it runs."""
        self._forget(horse)
        horse.kill()

    def close(self) -> None:
        """End all horses."""
        for horse in (self._plain, self._concurrent, *self._retired):
            if horse is not None:
                self.kill(horse)
        self._selector.close()
        for end in (self._wake_reader, self._wake_writer):
            end.close()

    def _forget(self, horse: HorseProcess) -> None:
        if horse is self._plain:
            self._plain = None
        if horse is self._concurrent:
            self._concurrent = None
        if horse in self._retired:
            self._retired.remove(horse)
