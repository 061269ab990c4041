"""What a work-horse tells its worker: a JSON document on a line each, over their socket."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

PROGRESS_INTERVAL = 0.1
"""Seconds between two reports of progress; what comes in between waits, the last one is always sent."""


class Channel:
    """The way to the worker. Takes the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = threading.Lock()

    def send(self, **report: Any) -> None:
        """Send one report. Safe from any thread of a task."""
        line = json.dumps(report).encode() + b"\n"
        with self._lock:
            self._end.sendall(line)


class Reporter:
    """What one run tells. Takes the channel and the run's execution."""

    def __init__(self, channel: Channel, execution: str) -> None:
        self._channel = channel
        self._execution = execution
        self._last = 0.0
        self._pending: tuple[float, str] | None = None
        self._line: list[str] = []

    def send(self, **report: Any) -> None:
        """Send a report of this run."""
        self._channel.send(run=self._execution, **report)

    def progress(self, fraction: float, message: str) -> None:
        """Take a task's progress, and send it unless one was sent just before."""
        self._pending = (fraction, message[:500])
        if time.monotonic() - self._last >= PROGRESS_INTERVAL:
            self._send_progress()

    def printed(self, text: str) -> None:
        """Take what a task printed, and send it once a line is whole."""
        self._line.append(text)
        if "\n" in text:
            self._send_output()

    def flush(self) -> None:
        """Send all that waits."""
        self._send_progress()
        self._send_output()

    def _send_progress(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            self._last = time.monotonic()
            self.send(progress=pending)

    def _send_output(self) -> None:
        if self._line:
            line, self._line = self._line, []
            self.send(output="".join(line))
