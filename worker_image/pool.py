"""The container's main process: keeps the worker processes running, and the queues going."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

from redis import RedisError

from coatcheck.catalog import Catalog
from coatcheck.connection import connect
from coatcheck.errors import CatalogError, SettingsError
from coatcheck.settings import Settings, load
from worker_image.janitor import Janitor
from worker_image.lifeline import VARIABLE, follow_parent

EX_CONFIG = 78
"""Exit status (sysexits.h) when no restart can help: a task or a setting is wrong."""
TICK = 1.0
"""Seconds between two rounds of the janitor."""
BACKOFF = (0.5, 15.0)
"""First and longest pause before a worker that died is started again."""
STEADY = 30.0
"""Seconds after which a worker's start counts as a success, and its pauses begin small again."""
KILL_AFTER = 10.0
"""Seconds beyond the stop time-out after which a worker is killed."""

log = logging.getLogger("coatcheck.pool")


@dataclass
class Slot:
    """A place for one worker process, which is filled again whenever it dies."""

    queue: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = BACKOFF[0]
    due: float = 0.0


class Pool:
    """Runs worker processes for the queues. Takes the settings and the names of the queues."""

    def __init__(self, settings: Settings, queues: tuple[str, ...]) -> None:
        self._settings = settings
        count = max(settings.worker_processes or os.cpu_count() or 1, len(queues))
        self._slots = [Slot(queues[index % len(queues)]) for index in range(count)]
        self._janitor = Janitor(connect(settings), settings, queues)
        self._signals = 0
        self._redis_away = False

    def run(self) -> int:
        """Until a signal, or until a worker says that no restart can help. Returns the exit status."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_signal)
        status = 0
        while not self._signals:
            if not self._fill():
                status = EX_CONFIG
                break
            self._clean_up()
            self._sleep(TICK)
        self._stop()
        return status

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than until the next signal or death of a worker is noticed."""
        end = time.monotonic() + seconds
        signals = self._signals
        while time.monotonic() < end and self._signals == signals:
            if any(slot.process is not None and slot.process.poll() is not None for slot in self._slots):
                return
            time.sleep(0.05)

    def _fill(self) -> bool:
        """Start what is missing. Returns False when a worker ended because of a wrong task or setting."""
        now = time.monotonic()
        for slot in self._slots:
            if slot.process is not None and (status := slot.process.poll()) is not None:
                if status == EX_CONFIG:
                    return False
                slot.pause = BACKOFF[0] if now - slot.started > STEADY else min(2 * slot.pause, BACKOFF[1])
                slot.due = now + slot.pause
                log.warning(
                    "worker %d ended (%s); starting another in %.1f s",
                    slot.process.pid,
                    _how(status),
                    slot.pause,
                )
                _close(slot)
            if slot.process is None and now >= slot.due:
                slot.process = self._spawn(slot.queue)
                slot.started = now
        return True

    def _spawn(self, queue: str) -> subprocess.Popen[bytes]:
        environ = os.environ | {"RQ_KEY_PREFIX": self._settings.prefix, VARIABLE: "1"}
        # Its own session: a terminal's Ctrl-C must reach the pool only, which stops its workers in order.
        return subprocess.Popen(
            [sys.executable, "-m", "worker_image.worker", queue],
            stdin=subprocess.PIPE,
            env=environ,
            start_new_session=True,
        )

    def _clean_up(self) -> None:
        try:
            for job_id, outcome in self._janitor.tick():
                log.warning("job %s: its worker was lost; now %s", job_id, outcome)
            if self._redis_away:
                log.info("Redis is back")
            self._redis_away = False
        except RedisError as error:
            if not self._redis_away:
                log.warning("Redis can't be used (%s); waiting for it", type(error).__name__)
            self._redis_away = True

    def _stop(self) -> None:
        """Stop all workers; a second signal tells them to end at once."""
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + self._settings.worker_stop_timeout + KILL_AFTER
        signals = self._signals
        while any(slot.process is not None and slot.process.poll() is None for slot in self._slots):
            if self._signals > signals:
                signals = self._signals
                self._signal_all(signal.SIGTERM)
            if time.monotonic() > deadline:
                self._signal_all(signal.SIGKILL)
            time.sleep(0.02)
        for slot in self._slots:
            _close(slot)
        log.info("all workers have stopped")

    def _signal_all(self, signum: signal.Signals) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    slot.process.send_signal(signum)


def _close(slot: Slot) -> None:
    if slot.process is not None and slot.process.stdin is not None:
        slot.process.stdin.close()
    slot.process = None


def _how(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"status {status}"


def main() -> int:
    """Run the pool with the environment's settings. Returns the process' status."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    try:
        settings = load()
        queues = all_queues(settings)
    except (SettingsError, CatalogError) as error:
        log.error("%s", error)
        return EX_CONFIG
    follow_parent()
    log.info("pool starts: queues %s", ", ".join(queues))
    return Pool(settings, queues).run()


def all_queues(settings: Settings) -> tuple[str, ...]:
    """The queues to serve: those of the settings, and those that only a task names.

    Imports the tasks in a process of their own, so that the pool stays small. Raises CatalogError.
    """
    found = subprocess.run(
        [sys.executable, "-m", "worker_image.discovery"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise CatalogError(f"the tasks can't be loaded:\n{found.stderr.strip()}")
    return Catalog.loads(found.stdout).queues(settings)
