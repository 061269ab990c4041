"""Scripts that Redis has been sent and not answered yet, so that a worker goes on meanwhile."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from redis import Redis, RedisError
from redis.connection import Connection
from redis.exceptions import ConnectionError, TimeoutError

from coatcheck.connection import SOCKET_TIMEOUT
from coatcheck.scripts import Scripts


class Outbox:
    """One connection, whose answers come in the order in which it was sent scripts.

    Any error is about all that is on its way: each may have been run or not, and is to be repeated as it was,
    by ``Scripts.run``, which has patience and sends texts that the server lacks. Takes the client whose
    connections are used, what makes the commands, and what is to be called with a new connection's socket and
    with one that is given up.
    """

    def __init__(
        self,
        client: Redis,
        scripts: Scripts,
        opened: Callable[[Any], object],
        closing: Callable[[Any], object],
    ) -> None:
        self._pool = client.connection_pool
        self._scripts = scripts
        self._opened = opened
        self._closing = closing
        self._connection: Connection | None = None
        self._socket: Any = None
        self._sent: deque[float] = deque()

    def send(self, name: str, keys: Sequence[str], *args: str | bytes | int | float) -> None:
        """Send a script. Raises RedisError: nothing is on its way any more."""
        try:
            if self._connection is None:
                self._connection = self._pool.get_connection()
                self._socket = self._connection._sock
                self._opened(self._socket)
            command = self._scripts.command(name, keys, *args)
            self._connection.send_command(*command)  # type: ignore[no-untyped-call]
        except RedisError:
            self.close()
            raise
        self._sent.append(time.monotonic())

    def answered(self, readable: bool | None) -> bool:
        """Whether an answer is there. Takes whether its socket has something to read; None: it is asked.

        Raises RedisError: nothing is on its way any more.
        """
        if self._connection is None:
            return False
        try:
            if readable is None:
                readable = bool(self._sent) and self._connection.can_read(timeout=0)
            if readable:
                if not self._sent:
                    raise ConnectionError("the server has closed the connection")
                return True
            if self._sent and time.monotonic() - self._sent[0] > SOCKET_TIMEOUT:
                raise TimeoutError("no answer")
        except RedisError:
            self.close()
            raise
        return False

    def answer(self) -> Any:
        """The oldest answer. Raises RedisError: nothing is on its way any more."""
        assert self._connection is not None
        try:
            answer = self._connection.read_response()
        except RedisError:
            self.close()
            raise
        self._sent.popleft()
        return answer

    def close(self) -> None:
        """Give the connection up, with all that is on its way."""
        connection, self._connection = self._connection, None
        self._sent.clear()
        if connection is not None:
            self._closing(self._socket)
            connection.disconnect()  # type: ignore[no-untyped-call]
            self._pool.release(connection)
