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
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import astuple
from typing import Any

from worker_image.run import Run

LAST_WORDS_SECONDS = 3.0
"""How long an idle work-horse may take to send its last spans."""
START_TIMEOUT = 120.0
"""Seconds that the tasks' imports may take."""
READ_SIZE = 65_536

Event = tuple[Run | None, dict[str, Any]]
"""What a work-horse reported, and the run that it is about; None: it is about the process."""


class HorseProcess:
    """One work-horse process, which begins to import the tasks.

    Takes the selector in which the worker waits for what it reports, and whether it runs many async tasks at
    once. Once it is ``ready``, ``version`` is that of its catalogue, ``tasks`` are the names in it and
    ``asynchronous`` those of them that can run with others. ``runs`` are those that it has, by execution.
    ``jobs_run`` and ``memory`` (the most that it had, in bytes) tell how worn it is.
    """

    def __init__(self, selector: selectors.BaseSelector, *, concurrent: bool = False) -> None:
        ours, theirs = socket.socketpair()
        self._channel = ours
        lifeline, self._lifeline = os.pipe()
        answers, told = os.pipe()
        self._answers = os.fdopen(told, "wb")
        ends = [str(theirs.fileno()), str(lifeline), str(answers)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker_image.horse", *ends, *(["concurrent"] if concurrent else [])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            pass_fds=[theirs.fileno(), lifeline, answers],
            start_new_session=True,
        )
        theirs.close()
        os.close(lifeline)
        os.close(answers)
        assert self._process.stdout is not None
        self._output = self._process.stdout
        os.set_blocking(self._output.fileno(), False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._buffer = b""
        self._selector = selector
        for source in (self._channel, self._output):
            selector.register(source, selectors.EVENT_READ, self)
        self._started = time.monotonic()
        self.concurrent = concurrent
        self.runs: dict[str, Run] = {}
        self.blocked_by: Run | None = None
        """The run that has kept a concurrent horse from going on with the others for a while."""
        self.jobs_run = 0
        self.memory = 0
        self.ready = self._traces = self._gone = False
        self.version = ""
        self.tasks: frozenset[str] = frozenset()
        self.asynchronous: frozenset[str] = frozenset()

    @property
    def pid(self) -> int:
        """The process' id, also the id of its group."""
        return self._process.pid

    @property
    def late(self) -> bool:
        """Whether the imports take too long."""
        return not self.ready and time.monotonic() - self._started > START_TIMEOUT

    def start(self, run: Run) -> None:
        """Give the horse a job. One that is not alive any more tells so with the next events."""
        self.jobs_run += 1
        self.runs[run.execution] = run
        self._send(
            {
                "run": run.execution,
                "job": run.job_id,
                "owner": run.owner,
                "result_ttl": run.result_ttl,
                "large": [astuple(each) for each in run.large],
                "task": run.task,
                "arguments": run.arguments,
                "timeout": run.timeout,
                "span": run.span,
            }
        )

    def cancel(self, run: Run) -> None:
        """Have a concurrent horse end a run, as asyncio does it; the run may refuse."""
        self._send({"cancel": run.execution})

    def answer(self, number: int, document: dict[str, Any]) -> None:
        """Answer the question of that number."""
        with suppress(OSError):
            self._answers.write(json.dumps({"number": number, **document}).encode() + b"\n")
            self._answers.flush()

    def _send(self, document: dict[str, Any]) -> None:
        with suppress(OSError):
            self._channel.sendall(json.dumps(document).encode() + b"\n")

    def hear(self, ready: Collection[object]) -> Iterator[Event]:
        """What the horse reported; takes which of its ends the selector found.

        Yields ``{"ready": version}`` or ``{"broken": why}`` at its start; of its runs ``{"output": text}``,
        ``{"progress": [fraction, message]}``, ``{"child": submission, "number": of the question}``, and at a
        run's end ``{"result": json}``, ``{"error": [type,
        message, traceback]}`` or ``{"cancelled": true}``, always after all that the task printed before;
        ``{"blocked": seconds}``; and once it is gone ``{"died": how}``.
        """
        if self._gone:
            return
        reports, ended = self._reports() if self._channel in ready else ((), False)
        # After the reports: what was printed before a report is in the pipe by now.
        text = self._printed()
        if text:
            yield next(iter(self.runs.values()), None) if not self.concurrent else None, {"output": text}
        for report in reports:
            yield self._told(report)
        if ended:
            self._gone = True
            yield None, {"died": self._epitaph()}

    def _told(self, report: dict[str, Any]) -> Event:
        if "ready" in report:
            self.version = report["ready"]
            self.tasks, self.asynchronous = frozenset(report["tasks"]), frozenset(report["asynchronous"])
            self._traces, self.ready = bool(report["traces"]), True
        run = self.runs.get(report.get("run", ""))
        if "blocked" in report:
            self.blocked_by = run
        if "memory" in report:  # the end of a run
            self.memory = report["memory"]
            self.runs.pop(report["run"], None)
        return run, report

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
            data = self._output.read(READ_SIZE)
            if data == b"":
                with suppress(KeyError):
                    self._selector.unregister(self._output)
            if not data:
                break
            chunks.append(data)
            size += len(data)
        return self._decoder.decode(b"".join(chunks)) if chunks else ""

    def _epitaph(self) -> str:
        try:
            status = self._process.wait(2)
        except subprocess.TimeoutExpired:
            return "the work-horse closed its connection"
        if status < 0:
            return f"the work-horse was ended by {signal.Signals(-status).name}"
        return f"the work-horse ended by itself with status {status}"

    def kill(self) -> None:
        """End the horse and all that its tasks started, and wait until it is gone."""
        self._gone = True
        if self.ready and self._traces and not self.runs:
            self._send({"end": True})
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_WORDS_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for source in (self._channel, self._output):
            with suppress(KeyError):
                self._selector.unregister(source)
            source.close()
        os.close(self._lifeline)
        with suppress(OSError):
            self._answers.close()
