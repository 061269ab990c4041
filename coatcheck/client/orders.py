"""What is asked for: a task, its arguments and the options; and many of these, cut into requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from coatcheck.client.wire import encode
from coatcheck.job import format_time

Result = TypeVar("Result")

Span = float | str | timedelta
"""A length of time: seconds, a text such as ``5m`` or ``1h30m``, or a timedelta."""

MAX_JOBS = 1000
"""Most jobs in one ``POST /jobs``."""
MAX_BYTES = 1_000_000
"""Most bytes of its body, below the API's own limit of 1 MiB."""


@dataclass(frozen=True)
class Order(Generic[Result]):
    """One job to be submitted.

    ``queue``: instead of the task's own; ``delay`` or ``at``: not before then; ``timeout``: ended after that
    long; ``callback``: the URL that is told of its end.
    """

    task: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    delay: Span | None = None
    at: datetime | str | None = None
    timeout: Span | None = None
    callback: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """The options that are given, as the API takes them."""
        given = {
            "queue": self.queue,
            "delay": _span(self.delay),
            "at": format_time(self.at) if isinstance(self.at, datetime) else self.at,
            "timeout": _span(self.timeout),
            "callback": self.callback,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def entry(self) -> dict[str, Any]:
        """The order as an entry of a batch."""
        return {"task": self.task, "arguments": self.arguments, **self.options}


def batches(orders: Iterable[Order[Any]]) -> Iterator[bytes]:
    """The bodies of the requests that submit all orders: as few as the API's limits allow."""
    entries: list[bytes] = []
    size = 0
    for order in orders:
        entry = encode(order.entry)
        if entries and (len(entries) == MAX_JOBS or size + len(entry) > MAX_BYTES):
            yield _body(entries)
            entries, size = [], 0
        entries.append(entry)
        size += len(entry) + 1
    if entries:
        yield _body(entries)


def _body(entries: Sequence[bytes]) -> bytes:
    return b'{"jobs":[' + b",".join(entries) + b"]}"


def _span(value: Span | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    # The query takes whole seconds, and a job must not come before its time.
    return str(-int(-seconds // 1))
