"""The worker's side of a work-horse: starts it, gives it jobs, hears it, ends it."""

from __future__ import annotations

import codecs
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from coatcheck.errors import CatalogError

LAST_WORDS_SECONDS = 3.0
"""How long an idle work-horse may take to send its last spans."""
START_TIMEOUT = 120.0
"""Seconds that the tasks' imports may take."""
READ_SIZE = 65_536


class HorseDiedError(Exception):
    """The work-horse ended by itself; the message tells how."""


class HorseProcess:
    """One work-horse process.

    ``version`` is that of its catalogue, ``tasks`` are the names in it; ``jobs_run`` and ``memory`` (the
    most that it had, in bytes) tell how worn it is.

    Raises CatalogError: a task can't be offered; HorseDiedError: the process ended while it started.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._channel = ours
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_writer.setblocking(False)
        lifeline, self._lifeline = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker_image.horse", str(theirs.fileno()), str(lifeline)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno(), lifeline],
            start_new_session=True,
        )
        theirs.close()
        os.close(lifeline)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._buffer = b""
        self._selector = selectors.DefaultSelector()
        for source in (self._channel, self._output, self._wake_reader):
            self._selector.register(source, selectors.EVENT_READ)
        self.jobs_run = 0
        self.memory = 0
        self._idle = self._traces = False
        ready = self._await_ready()
        self.version: str = ready["ready"]
        self.tasks = frozenset(ready["tasks"])
        self._idle, self._traces = True, bool(ready["traces"])

    @property
    def pid(self) -> int:
        """The process' id, also the id of its group."""
        return self._process.pid

    def _await_ready(self) -> dict[str, Any]:
        printed = ""
        while True:
            events = list(self.events(START_TIMEOUT))
            for event in events:
                if "ready" in event:
                    return event
                if "broken" in event:
                    self.kill()
                    raise CatalogError(event["broken"])
                if "died" in event:
                    self.kill()
                    raise HorseDiedError(f"{event['died']} while it imported the tasks:\n{printed}".rstrip())
                printed += event.get("output", "")
            if not events:
                self.kill()
                raise HorseDiedError(f"importing the tasks took longer than {START_TIMEOUT:g} s")

    def start_job(
        self, task: str, arguments: dict[str, Any], timeout: int, span: dict[str, Any] | None = None
    ) -> None:
        """Give the idle horse a job, with the span of its run. Raises HorseDiedError."""
        self.jobs_run += 1
        self._idle = False
        try:
            self._send({"task": task, "arguments": arguments, "timeout": timeout, "span": span})
        except OSError as error:
            raise HorseDiedError(self._epitaph()) from error

    def _send(self, document: dict[str, Any]) -> None:
        self._channel.sendall(json.dumps(document).encode() + b"\n")

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """What the horse reported within ``timeout`` seconds, at once when there is something.

        Yields ``{"output": text}``, ``{"progress": [fraction, message]}``, and at a job's end
        ``{"result": json}``, ``{"error": [type, message, traceback]}`` or ``{"died": how}``, always after
        all that the task printed before.
        """
        ready = {key.fileobj for key, _ in self._selector.select(timeout)}
        if self._wake_reader in ready:
            self._wake_reader.recv(READ_SIZE)
        reports, ended = self._reports() if self._channel in ready else ([], False)
        # After the reports: what was printed before a report is in the pipe by now.
        if self._output in ready or reports or ended:
            text = self._printed()
            if text:
                yield {"output": text}
        for report in reports:
            self.memory = report.get("memory", self.memory)
            self._idle = "memory" in report
            yield report
        if ended:
            yield {"died": self._epitaph()}

    def _reports(self) -> tuple[list[dict[str, Any]], bool]:
        """The reports that are there, and whether the horse closed its end. Waits for something."""
        try:
            data = self._channel.recv(READ_SIZE)
        except ConnectionError:
            data = b""
        self._buffer += data
        *lines, self._buffer = self._buffer.split(b"\n")
        return [json.loads(line) for line in lines], not data

    def _printed(self) -> str:
        chunks: list[bytes] = []
        size = 0
        # Bounded, so that a task that prints without end can't keep the worker from renewing its lease.
        while size < 16 * READ_SIZE:
            with suppress(BlockingIOError):
                data = os.read(self._output.fileno(), READ_SIZE)
                if not data:
                    with suppress(KeyError):
                        self._selector.unregister(self._output)
                    break
                chunks.append(data)
                size += len(data)
                continue
            break
        return self._decoder.decode(b"".join(chunks))

    def _epitaph(self) -> str:
        try:
            status = self._process.wait(2)
        except subprocess.TimeoutExpired:
            return "the work-horse closed its connection"
        if status < 0:
            return f"the work-horse was ended by {signal.Signals(-status).name}"
        return f"the work-horse ended by itself with status {status}"

    def wake(self) -> None:
        """Make ``events`` return at once. Safe from any thread."""
        with suppress(BlockingIOError):
            self._wake_writer.send(b".")

    def kill(self) -> None:
        """End the horse and all that its task started, and wait until it is gone."""
        if self._idle and self._traces:
            with suppress(OSError, subprocess.TimeoutExpired):
                self._send({"end": True})
                self._process.wait(LAST_WORDS_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._selector.close()
        self._output.close()
        os.close(self._lifeline)
        for end in (self._channel, self._wake_reader, self._wake_writer):
            end.close()
