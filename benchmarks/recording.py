"""What a piece of the product sends to Redis, as bytes: to send it again without the product's own time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import redis

COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n")
"""Where a command begins (Redis serialization protocol)."""


def record(client: redis.Redis, call: Callable[[], Any]) -> tuple[Any, list[bytes]]:
    """Let a call use the client. Returns the connection that it used, and what it sent, write by write."""
    connection: Any = client.connection_pool.get_connection()
    client.connection_pool.release(connection)  # the next one who asks gets the same
    sent: list[bytes] = []
    original = connection.send_packed_command

    def send(command: Any, *args: Any, **kwargs: Any) -> None:
        sent.append(command if isinstance(command, bytes) else b"".join(command))
        original(command, *args, **kwargs)

    connection.send_packed_command = send
    try:
        call()
    finally:
        del connection.send_packed_command
    return connection, sent


def commands(sent: bytes) -> int:
    """How many commands that are."""
    return len(COMMAND.findall(sent))
