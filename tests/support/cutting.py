"""A proxy before Redis that counts commands and cuts the connection at a chosen one."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO
from urllib.parse import urlsplit

import pytest
from redis.backoff import NoBackoff

from coatcheck.scripts import FOLDER, source

REFUSED = 3
"""Connections that a cut "for good" refuses: more than a call of redis-py tries (``connection.RETRIES``)."""


@dataclass(frozen=True)
class Cut:
    """How a connection is cut.

    ``executed``: the command reaches the server, its reply is lost; else the command is lost. ``refuse``: how
    many connections are refused afterwards. With none redis-py's own repeat comes through at once, so that a
    command whose reply was lost runs twice.
    """

    executed: bool
    refuse: int

    def __str__(self) -> str:
        return f"{'reply' if self.executed else 'command'} lost, {self.refuse} connections refused"


CUTS = tuple(Cut(executed, refuse) for executed in (False, True) for refuse in (0, REFUSED))
"""Every way to cut."""


def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let redis-py repeat at once what was cut off: hundreds of pauses are a minute."""
    monkeypatch.setattr("coatcheck.connection.ExponentialWithJitterBackoff", lambda **_pauses: NoBackoff())


class CuttingProxy:
    """Passes commands of any number of connections on to the server of ``url``, one after another.

    ``seen`` names the commands that clients sent since the last ``watch`` or ``arm``: a script by its file's
    name, any other by itself. ``fired`` tells whether the armed cut was made.
    """

    def __init__(self, url: str) -> None:
        self._upstream = url
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._names = {
            hashlib.sha1(source(path.stem).encode()).hexdigest().encode(): path.stem
            for path in FOLDER.glob("*.lua")
        }
        self.watch()

    def watch(self) -> None:
        """Cut nothing and refuse nothing from here on; count anew."""
        self._arm(0, None, None)

    def arm(self, number: int, cut: Cut, then: Callable[[], object] | None = None) -> None:
        """Count anew, and cut at command ``number``, from 1. ``then`` is called before the client notices."""
        self._arm(number, cut, then)

    def _arm(self, number: int, cut: Cut | None, then: Callable[[], object] | None) -> None:
        with self._lock:
            self.seen: list[str] = []
            self.fired = False
            self._number, self._cut, self._then, self._refuse = number, cut, then, 0

    def __enter__(self) -> CuttingProxy:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        with self._lock:
            for connection in self._connections:
                _hang_up(connection)

    def _accept(self) -> None:
        threads: list[threading.Thread] = []
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                refused = self._refuse > 0
                self._refuse -= refused
                if not refused:
                    self._connections.add(client)
            if refused:
                client.close()
                continue
            threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
            threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client, _dial(self._upstream) as server, client.makefile("rb") as sent:
            with server.makefile("rb") as replies, contextlib.suppress(OSError):
                while command := _read(sent):
                    cut = self._count(command)
                    if cut is None or cut.executed:
                        server.sendall(command)
                        reply = _read(replies)
                    if cut is not None:
                        self._fire(cut)
                        break
                    client.sendall(reply)
            with self._lock:
                self._connections.discard(client)
            _hang_up(client)

    def _count(self, command: bytes) -> Cut | None:
        with self._lock:
            self.seen.append(self._name(command))
            return self._cut if len(self.seen) == self._number else None

    def _fire(self, cut: Cut) -> None:
        if self._then is not None:
            self._then()
        with self._lock:
            self._refuse = cut.refuse
            self.fired = True

    def _name(self, command: bytes) -> str:
        words = command.split(b"\r\n")[2::2]
        if words[0] == b"EVALSHA":
            return self._names[words[1]]
        if words[0] == b"EVAL":  # with the whole text of a script
            return next(name for name in self._names.values() if source(name).encode() in command)
        return words[0].decode()


def _dial(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(Path(parts.path)))
        return connection
    return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379))


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _read(stream: BinaryIO) -> bytes:
    """One whole value of RESP2, a command or a reply; empty at the end of the connection."""
    line = stream.readline()
    if line[:1] == b"$" and line != b"$-1\r\n":
        return line + stream.read(int(line[1:]) + 2)
    if line[:1] == b"*":
        return line + b"".join(_read(stream) for _ in range(max(0, int(line[1:]))))
    return line
