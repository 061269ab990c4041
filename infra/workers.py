"""The pool of workers as a child process: started, started again when it dies, stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping

from infra.merged_log import MergedLog
from infra.stopping import StopSignals

BACKOFF = (0.5, 15.0)
"""First and longest pause, in seconds, before a pool that died is started again."""
STEADY = 30.0
"""Seconds after which a start counts as a success, and the pauses begin small again."""
GRACE = 1.0
"""Seconds, beyond what running jobs get, until the pool is told to end at once."""
LAST_GRACE = 0.5
"""Seconds from then until it is killed."""


class Workers:
    """``python -m worker_image`` in a session of its own, with its output in the merged log.

    Takes the pool's environment, the log, and the seconds that running jobs get to finish.
    """

    def __init__(self, environ: Mapping[str, str], log: MergedLog, stop_timeout: float) -> None:
        self._environ = {**environ, "COATCHECK_EXIT_WITH_PARENT": "1", "PYTHONUNBUFFERED": "1"}
        self._log = log
        self._stop_timeout = stop_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = BACKOFF[0]
        self._due = 0.0

    def keep(self) -> None:
        """Start the pool if it does not run and its pause is over. To be called again and again."""
        now = time.monotonic()
        if self._process and (status := self._process.poll()) is not None:
            steady = now - self._started > STEADY
            self._pause = BACKOFF[0] if steady else min(2 * self._pause, BACKOFF[1])
            self._due = now + self._pause
            self._forget()
            self._log.write("up", f"the workers ended (status {status}); again in {self._pause:.0f} s")
        if not self._process and now >= self._due:
            self._started = now
            self._start()

    def terminate(self) -> None:
        """Ask the pool to stop: running jobs get their seconds, then go back to their queue."""
        if self._process:
            self._process.terminate()

    def wait(self, signals: StopSignals) -> None:
        """Wait until the pool has ended; hurry it when it takes too long or ``signals`` are urgent."""
        if not self._process:
            return
        end = time.monotonic() + self._stop_timeout + GRACE
        while self._process.poll() is None and time.monotonic() < end and not signals.urgent:
            time.sleep(0.02)
        self._process.terminate()  # the second time: at once
        try:
            self._process.wait(LAST_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._forget()

    def _start(self) -> None:
        # The pipe to its standard input tells the pool when this process dies, even by SIGKILL; in its
        # own session the terminal's Ctrl-C does not reach it before the API has stopped.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker_image"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environ,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._log.follow("worker", self._process.stdout)

    def _forget(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()
        self._process = None
