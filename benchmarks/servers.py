"""A Redis for a benchmark: the embedded Valkey, on a port of loopback, with the product's own durability."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from infra.embedded import find_server

START_SECONDS = 10.0
"""How long the server gets to answer."""


class Server:
    """One server with 16 databases and an append-only file that is synced each second.

    A context manager. On a port, since that is what all the systems are used with; each gets a database.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="coatcheck-bench-")
        self._process: subprocess.Popen[bytes] | None = None
        self.version = ""

    def url(self, database: int = 0) -> str:
        """The address of a database."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def client(self, database: int = 0, **options: Any) -> redis.Redis:
        """A client of a database, for the benchmark's own look at it."""
        return redis.Redis.from_url(self.url(database), **{"protocol": 2, "socket_timeout": 300, **options})

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Server:
        options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": self._folder.name,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        with Path(self._folder.name, "log").open("wb") as log:
            self._process = subprocess.Popen(
                [find_server(), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.client() as client:
                    found: Any = client.info("server")
            except redis.ConnectionError:
                if time.monotonic() > end:
                    self.__exit__(None, None, None)
                    raise
                time.sleep(0.02)
            else:
                break
        valkey = found.get("valkey_version")
        self.version = f"Valkey {valkey}" if valkey else f"Redis {found['redis_version']}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(*pids: int) -> float:
    """The processor time of processes so far, that of children that they have waited for included."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")
