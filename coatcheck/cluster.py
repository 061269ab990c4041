"""Redis in cluster mode, without a cluster client.

All keys share one hash tag and so one slot (Redis cluster specification, "Hash tags"): one node owns them
all. A plain client that finds that node, and finds it again when the slot has moved, does all that RQ and
the scripts need; ``redis.RedisCluster`` has no blocking pool that a worker could use.

Imported only where ``REDIS_CLUSTER`` is on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis
from redis.connection import Connection
from redis.crc import key_slot
from redis.exceptions import ConnectionError, MovedError

from coatcheck.connection import as_text


def slot_of(prefix: str) -> int:
    """The slot of all keys that start with the prefix, a hash tag in braces."""
    slot: int = key_slot(prefix.encode())
    return slot


def owner_of(client: redis.Redis, slot: int) -> tuple[str, int]:
    """Host and port of the node that owns a slot, asked of any node.

    Raises ConnectionError: no node owns it now, as in the middle of a failover.
    """
    ranges = client.execute_command("CLUSTER SLOTS", NEVER_DECODE=b"")  # type: ignore[no-untyped-call]
    for low, high, (host, port, *_), *_replicas in ranges:
        if low <= slot <= high and host:
            return as_text(host), int(port)
    raise ConnectionError(f"no node of the cluster owns slot {slot}")


def following(base: type[Connection], ask: Callable[[], redis.Redis], slot: int) -> type[Connection]:
    """A class of connections that always go to the owner of a slot.

    Takes the class to build on, and what makes a client of the node of ``REDIS_URL``.
    """

    class SlotOwnerConnection(base):  # type: ignore[misc, valid-type]
        def _connect(self) -> Any:
            with ask() as client:
                self.host, self.port = owner_of(client, slot)
            return super()._connect()

        def read_response(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return super().read_response(*args, **kwargs)
            except MovedError as error:
                # As a broken connection, so that the client's retry connects anew: to the new owner.
                self.disconnect()
                raise ConnectionError(f"the keys moved to another node: {error}") from error

    return SlotOwnerConnection
