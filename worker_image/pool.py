"""The container's main process: keeps the worker processes running, and the queues going."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

from redis import RedisError
from redis.exceptions import AuthenticationError, NoPermissionError

from coatcheck.adapter import signatures_of
from coatcheck.catalog import Catalog
from coatcheck.connection import connect
from coatcheck.errors import CatalogError, SettingsError
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings, load
from coatcheck.ticker import Ticker
from worker_image import protection
from worker_image.janitor import Janitor
from worker_image.lifeline import BUSY, EX_CONFIG, VARIABLE, follow_parent
from worker_image.logs import configure
from worker_image.pool_metrics import open_metrics
from worker_image.spool import Spool
from worker_image.steps import Steps

TICK = 1.0
"""Seconds between two rounds of the janitor."""
BACKOFF = (0.5, 15.0)
"""First and longest pause before a worker that died is started again."""
STEADY = 30.0
"""Seconds after which a worker's start counts as a success, and its pauses begin small again."""
EARLY_DEATHS = 5
"""How often in a row a worker may die at its start, before the pool gives up."""
EARLY = 10.0
"""Seconds within which a worker's death counts as one at its start."""
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
    early_deaths: int = 0
    status: int = -1
    """The read end of the pipe on which the worker tells when it begins and ends a job."""
    busy: bool = False
    unread: bytes = b""
    """The beginning of a line that is not whole yet."""


class Pool:
    """Runs worker processes for all queues. Takes the settings and the catalogue of the tasks."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        self._settings = settings
        queues = catalog.queues(settings)
        count = max(settings.worker_processes or os.cpu_count() or 1, len(queues))
        self._slots = [Slot(queues[index % len(queues)]) for index in range(count)]
        client = connect(settings)
        self._steps = Steps(lambda: self._metrics.event("redis_failures"))
        self._janitor = Janitor(client, settings, queues, self._steps)
        self._ticker = Ticker(client, settings, catalog.tasks, signatures_of(settings))
        self._spool = Spool(settings)
        self._scripts = Scripts(client, settings.prefix)
        self._signals = 0
        agent = os.environ.get(protection.VARIABLE)
        self._protection = protection.TaskProtection(agent, self._busy) if agent else None
        self._redis_away = False
        self._metrics = open_metrics(settings, self._states)

    def run(self) -> int:
        """Until a signal, or until a worker says that no restart can help. Returns the exit status."""
        self._wake, wake_writer = os.pipe()
        for end in (self._wake, wake_writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_writer)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_signal)
        log.info("pool starts: queues %s", ", ".join(dict.fromkeys(slot.queue for slot in self._slots)))
        status, cleaned = 0, 0.0
        while not self._signals:
            if status := self._fill():
                break
            if time.monotonic() >= cleaned + TICK:
                self._clean_up()
                self._metrics.tick()
                cleaned = time.monotonic()
            self._sleep(max(0.0, cleaned + TICK - time.monotonic()))
        self._stop()
        self._spool.close()
        self._metrics.close()
        if self._protection is not None:
            self._protection.close()
        return status

    def _busy(self) -> bool:
        return any(slot.busy for slot in self._slots)

    def _states(self) -> dict[str, int]:
        busy = sum(slot.busy for slot in self._slots)
        return {"busy": busy, "idle": sum(slot.process is not None for slot in self._slots) - busy}

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self._signals += 1

    def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than until a signal comes, or a worker begins or ends a job, or dies."""
        pipes = [slot.status for slot in self._slots if slot.status >= 0]
        if select.select([self._wake, *pipes], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)
            self._hear()
            # A worker that dies closes its pipe a moment before it can be waited for.
            time.sleep(0.01)
        if os.getpid() == 1:
            self._reap_orphans()

    def _hear(self) -> None:
        """Take in which workers run a job now, and their figures."""
        for slot in self._slots:
            with contextlib.suppress(BlockingIOError):
                if slot.status >= 0 and (said := os.read(slot.status, 65_536)):
                    *lines, slot.unread = (slot.unread + said).split(b"\n")
                    for line in lines:
                        if line.startswith(b"{"):
                            self._metrics.heard(line)
                        else:
                            slot.busy = line + b"\n" == BUSY
                            self._look_again()

    def _reap_orphans(self) -> None:
        """As a container's first process: bury what tasks started and left behind."""
        ours = {slot.process.pid for slot in self._slots if slot.process is not None}
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if ended.si_pid in ours:
                    return  # its own Popen has to hear of it first
                os.waitpid(ended.si_pid, 0)

    def _look_again(self) -> None:
        if self._protection is not None:
            self._protection.changed()

    def _fill(self) -> int:
        """Start what is missing. Returns an exit status when that makes no sense any more, else 0."""
        now = time.monotonic()
        for slot in self._slots:
            if slot.process is not None and (status := slot.process.poll()) is not None:
                if status == EX_CONFIG:
                    return EX_CONFIG
                slot.early_deaths = slot.early_deaths + 1 if now - slot.started < EARLY else 0
                if slot.early_deaths >= EARLY_DEATHS:
                    log.error("a worker died at its start %d times in a row; giving up", EARLY_DEATHS)
                    return 1
                slot.pause = BACKOFF[0] if now - slot.started > STEADY else min(2 * slot.pause, BACKOFF[1])
                slot.due = now + slot.pause
                log.warning(
                    "worker %d ended (%s); starting another in %.1f s",
                    slot.process.pid,
                    _how(status),
                    slot.pause,
                )
                self._hear()
                _close(slot)
                self._look_again()
            if slot.process is None and now >= slot.due:
                self._spawn(slot)
                slot.started = now
        return 0

    def _spawn(self, slot: Slot) -> None:
        environ = os.environ | {"RQ_KEY_PREFIX": self._settings.prefix, VARIABLE: "1"}
        self._metrics.event("worker_starts")
        slot.status, theirs = os.pipe()
        os.set_blocking(slot.status, False)
        # Its own session: a terminal's Ctrl-C must reach the pool only, which stops its workers in order.
        slot.process = subprocess.Popen(
            [sys.executable, "-m", "worker_image.worker", slot.queue, str(theirs)],
            stdin=subprocess.PIPE,
            env=environ,
            pass_fds=[theirs],
            start_new_session=True,
        )
        os.close(theirs)

    def _clean_up(self) -> None:
        try:
            self._steps.take("ends that were kept in files", self._deliver_kept)
            self._steps.take("periodic tasks", self._ticker.tick)
            for job_id, outcome in self._janitor.tick():
                self._metrics.event("leases_lost")
                log.warning(
                    "job %s: its worker was lost; now %s",
                    job_id,
                    outcome,
                    extra={"job": job_id, "outcome": outcome},
                )
            if self._redis_away:
                log.info("Redis is back")
            self._redis_away = False
        except RedisError as error:
            self._metrics.event("redis_failures")
            if not self._redis_away:
                log.warning("Redis can't be used (%s); waiting for it", type(error).__name__)
            self._redis_away = True

    def _deliver_kept(self) -> None:
        """Record the ends that workers kept in files before they died."""
        keys, settings = Keys(self._settings.prefix), self._settings
        for ending in self._spool.orphans():
            status = ending.deliver(self._scripts, keys, settings).status
            log.info(
                "job %s: its end was kept in a file; now %s",
                ending.job_id,
                status,
                extra={"job": ending.job_id, "outcome": status},
            )

    def _stop(self) -> None:
        """Stop all workers; a second signal tells them to end at once."""
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + self._settings.worker_stop_timeout + KILL_AFTER
        signals = self._signals
        while any(slot.process is not None and slot.process.poll() is None for slot in self._slots):
            self._hear()
            if self._signals > signals:
                signals = self._signals
                self._signal_all(signal.SIGTERM)
            if time.monotonic() > deadline:
                self._signal_all(signal.SIGKILL)
            time.sleep(0.02)
        self._hear()
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
    if slot.status >= 0:
        os.close(slot.status)
    slot.process, slot.status, slot.busy, slot.unread = None, -1, False, b""


def _how(status: int) -> str:
    return f"by {signal.Signals(-status).name}" if status < 0 else f"status {status}"


def main() -> int:
    """Run the pool with the environment's settings. Returns the process' status."""
    configure("text")
    try:
        settings = load()
        configure(settings.log_format)
        catalog = read_catalog()
        check_login(settings)
    except (SettingsError, CatalogError) as error:
        log.error("%s", error)
        return EX_CONFIG
    follow_parent()
    try:
        pool = Pool(settings, catalog)
    except SettingsError as error:
        log.error("%s", error)
        return EX_CONFIG
    return pool.run()


def check_login(settings: Settings) -> None:
    """Raises SettingsError when Redis refuses the user or the password. One that is away is waited for."""
    try:
        with connect(settings) as client:
            client.ping()
    except (AuthenticationError, NoPermissionError) as error:
        raise SettingsError(f"Redis refuses the log-in of REDIS_URL: {error}") from None
    except RedisError:
        return


def read_catalog() -> Catalog:
    """The tasks: imported in a process of their own, so that the pool stays small. Raises CatalogError."""
    found = subprocess.run(
        [sys.executable, "-m", "worker_image.discovery"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        raise CatalogError(f"the tasks can't be loaded:\n{found.stderr.strip()}")
    return Catalog.loads(found.stdout)
