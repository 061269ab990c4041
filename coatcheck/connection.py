"""The connection to Redis: one client for each process, with short time-outs and bounded retries."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)
from redis.retry import Retry

from coatcheck.errors import UnavailableError
from coatcheck.settings import Settings

CONNECT_TIMEOUT = 0.8
"""Seconds to wait for a connection."""
SOCKET_TIMEOUT = 1.2
"""Seconds to wait for an answer. Twice this (one retry) stays below the 3 s within which the API answers."""
MAX_CONNECTIONS = 10_000
"""Of one client. Each thread that answers a request takes one for a moment, so the threads are the bound;
redis-py's own, 100, would be an error for the next one."""
RETRIES = 1
"""How often a command is repeated after a broken connection; our writes may safely run twice."""

AWAY = (
    ConnectionError,
    TimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,  # MASTERDOWN too
    TryAgainError,
)
"""What redis-py raises while Redis is unreachable, loading, failing over or full."""
AWAY_REPLY = re.compile(
    r"(?:Command # .* of pipeline caused error: )?(?:BUSY|MISCONF|NOREPLICAS|UNBLOCKED) ", re.S
)
"""Error replies that mean the same, for which redis-py has no class."""


def connect(settings: Settings, *, socket_timeout: float = SOCKET_TIMEOUT) -> redis.Redis:
    """A client for the server of ``REDIS_URL``. Nothing is sent before its first command.

    Takes ``socket_timeout`` in seconds; a worker that waits in blocking commands needs a longer one.
    """
    options: dict[str, Any] = {
        "socket_timeout": socket_timeout,
        "max_connections": MAX_CONNECTIONS,
        # A failover leaves connections to the old primary open: another one goes to the new.
        "retry_on_error": [ReadOnlyError],
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.2), RETRIES),
        "health_check_interval": 0,
        # RESP2 without client names needs no handshake: the first command is the first round trip.
        "protocol": 2,
        "driver_info": None,
    }
    if not settings.redis_url.startswith("unix:"):
        options["socket_connect_timeout"] = CONNECT_TIMEOUT
        options["socket_keepalive"] = True
    if settings.redis_iam_user:
        from coatcheck.iam import IAMCredentialProvider

        options["credential_provider"] = IAMCredentialProvider(
            settings.redis_iam_user, settings.redis_iam_cache, settings.aws_region
        )
    if settings.redis_cluster:
        from redis.connection import Connection, SSLConnection

        from coatcheck.cluster import following, slot_of

        base = SSLConnection if settings.redis_url.startswith("rediss:") else Connection

        def ask() -> redis.Redis:
            return redis.Redis.from_url(settings.redis_url, **(options | {"connection_class": base}))

        options["connection_class"] = following(base, ask, slot_of(settings.prefix))
    return redis.Redis.from_url(settings.redis_url, **options)


class reaching_redis:  # noqa: N801 (it is used like a function)
    """Turns every error that means "Redis can't serve us now" into UnavailableError. A context manager."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, AWAY) or (isinstance(error, ResponseError) and AWAY_REPLY.match(str(error))):
            raise UnavailableError(f"Redis can't be used right now: {_reason(error)}") from error


def as_text(value: Any) -> str:
    """A reply of Redis as text; what is no UTF-8 in it can't be ours, and is replaced."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _reason(error: Exception) -> str:
    """The kind of error only: its text may hold the server's address."""
    return type(error).__name__
