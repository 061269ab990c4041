"""Redis servers for tests that break them: on a port, with a file, a replica, and a clock that can be set."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.embedded import find_server
from tests.support.polling import eventually
from tests.support.ports import free_port

FAKETIME = sorted(Path("/usr").glob("lib*/**/faketime/libfaketimeMT.so.1"))
"""libfaketime (Debian's package), which shows a process another clock; [] where there is none."""


class Clock:
    """The clock of some processes, as far from the real one as its file says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.offset = 0.0
        self.step(0)

    def step(self, seconds: float) -> None:
        """Set it forward, or back; it shows within a second."""
        self.offset += seconds
        new = self._file.with_suffix(".new")
        new.write_text(f"{self.offset:+.3f}\n")
        new.replace(self._file)

    def environment(self) -> dict[str, str]:
        """The variables that give a process this clock; none where libfaketime is missing."""
        if not FAKETIME:
            return {}
        return {
            "LD_PRELOAD": str(FAKETIME[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }


class RedisServer:
    """One server with an append-only file in a folder.

    Takes the clock that it shall have, and options that differ from the usual ones.
    """

    def __init__(self, folder: Path, clock: Clock, **options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self._clock = clock
        self._options = {name.replace("_", "-"): value for name, value in options.items()}
        self._primary: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """The server's process, 0 when it does not run."""
        return self._process.pid if self._process is not None else 0

    def client(self, timeout: float = 5) -> redis.Redis:
        """A client that goes to this server and not through the proxy."""
        return redis.Redis(port=self.port, socket_timeout=timeout, retry=Retry(NoBackoff(), 0), protocol=2)

    def start(self) -> None:
        """Start it, as a replica if it follows another one, and wait until it answers."""
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "appendonly": "yes",
            # With everysec a server answers before it writes while the disk is slow (src/aof.c,
            # flushAppendOnlyFile): then a kill loses up to two seconds, which is no fault of ours.
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
            "repl-diskless-sync-delay": "0",
        } | self._options
        if self._primary is not None:
            options["replicaof"] = f"127.0.0.1 {self._primary}"
        arguments = [
            text for name, value in options.items() for text in (f"--{name}", *(value.split() or [""]))
        ]
        with (self.folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [find_server(), *arguments],
                env=os.environ | self._clock.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self._answers, what=f"the server of {self.folder} answers")

    def _answers(self) -> bool:
        try:
            with self.client(1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        """End it at once; what it wrote is the kernel's, and stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for left in Path("/dev/shm").glob(f"*faketime_*_{self._process.pid}"):
                left.unlink(missing_ok=True)  # libfaketime's, which a killed process leaves behind
            self._process = None

    def pause(self) -> None:
        """Stop it where it is."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)

    def follow(self, primary: RedisServer, port: int | None = None) -> None:
        """Start as a server's replica, reached at a proxy's port maybe; wait until it has all of it."""
        self._primary = port or primary.port
        self.start()
        self.catch_up(primary)

    def catch_up(self, primary: RedisServer, seconds: float = 30) -> None:
        """Wait until this replica has all that its primary has."""

        def level() -> bool:
            with self.client() as ours, primary.client() as theirs:
                here, there = ours.info("replication"), theirs.info("replication")
            return bool(
                here.get("master_link_status") == "up"
                and here.get("master_sync_in_progress") == 0
                and here["slave_repl_offset"] >= there["master_repl_offset"]
            )

        eventually(level, seconds=seconds, what="the replica has caught up")

    def promote(self) -> None:
        """Make this replica a primary."""
        self._primary = None
        with self.client() as client:
            client.replicaof("NO", "ONE")

    def memory(self) -> int:
        """Bytes that it uses for data."""
        with self.client() as client:
            return int(client.info("memory")["used_memory"])


def wait_gone(pid: int, seconds: float = 10) -> None:
    """Wait until a process is gone or a zombie."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.02)
