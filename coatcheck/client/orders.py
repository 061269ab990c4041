"""What is asked for: a task, its arguments and the options; and many of these, cut into requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from coatcheck.client.wire import encode
from coatcheck.job import format_time

Result = TypeVar("Result")

Span = float | str | timedelta
"""A length of time: seconds, a text such as ``5m`` or ``1h30m``, or a timedelta."""


class HasId(Protocol):
    """A job with an id: a ticket, or a step of a workflow, whose id is what the others call it."""

    @property
    def id(self) -> str:
        """The id."""
        ...


Named: TypeAlias = str | HasId
"""A job, by its id, its ticket or its step."""

MAX_JOBS = 1000
"""Most jobs in one ``POST /jobs``."""
MAX_BYTES = 1_000_000
"""Most bytes of its body, below the API's own limit of 1 MiB."""


@dataclass(frozen=True)
class Order(Generic[Result]):
    """One job to be submitted.

    ``queue``: instead of the task's own; ``delay`` or ``at``: not before then; ``timeout``: ended after that
    long; ``callback``: the URL that is told of its end; ``after``: jobs that must end before, and
    ``if_failed``: what becomes of it when one of them does not finish, ``"cancel"`` or ``"run"``. ``ref``:
    what the other jobs of the same request call it.
    """

    task: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None
    delay: Span | None = None
    at: datetime | str | None = None
    timeout: Span | None = None
    callback: str | None = None
    after: Named | Sequence[Named] = ()
    if_failed: str | None = None
    ref: str | None = None

    @property
    def options(self) -> dict[str, str]:
        """The options that are given, as the API takes them."""
        given = {
            "queue": self.queue,
            "delay": _span(self.delay),
            "at": format_time(self.at) if isinstance(self.at, datetime) else self.at,
            "timeout": _span(self.timeout),
            "callback": self.callback,
            "after": ",".join(ids_of(self.after)) or None,
            "if_failed": self.if_failed,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def entry(self) -> dict[str, Any]:
        """The order as an entry of a batch."""
        entry: dict[str, Any] = {"task": self.task, "arguments": self.arguments, **self.options}
        if self.after:
            entry["after"] = ids_of(self.after)
        return entry if self.ref is None else {**entry, "ref": self.ref}


def ids_of(jobs: Named | Sequence[Named]) -> list[str]:
    """The ids of jobs, or of one."""
    return [
        id_of(job) for job in (jobs if isinstance(jobs, Sequence) and not isinstance(jobs, str) else [jobs])
    ]


def id_of(job: Named) -> str:
    """The id of a job."""
    return job if isinstance(job, str) else job.id


def result_of(job: Named, pointer: str = "") -> dict[str, str]:
    """An argument that stands for the result of another job.

    Takes a JSON Pointer (RFC 6901) to the part that is meant, such as ``/rows/0``; empty: all of it.
    """
    return {"$result": id_of(job), "pointer": pointer} if pointer else {"$result": id_of(job)}


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


def one_batch(orders: Iterable[Order[Any]]) -> bytes:
    """The body of the one request that submits all orders."""
    return _body([encode(order.entry) for order in orders])


def _body(entries: Sequence[bytes]) -> bytes:
    return b'{"jobs":[' + b",".join(entries) + b"]}"


def _span(value: Span | None) -> str | None:
    if value is None or isinstance(value, str):
        return value
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    # The query takes whole seconds, and a job must not come before its time.
    return str(-int(-seconds // 1))
