"""Waiting for many jobs, and reading long lists of them."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any, Generic, TypeVar

from coatcheck.client.api import Api
from coatcheck.client.documents import Seen
from coatcheck.client.flow import Flow
from coatcheck.client.ticket import BaseTicket
from coatcheck.client.watch import Deadline

Ticketed = TypeVar("Ticketed", bound=BaseTicket[Any])

SLOWER = 1.5
MAX_INTERVAL = 10.0
"""How the looks at one of many jobs become rarer, and the seconds between them at most."""
PAGE = 200
"""Most jobs on one page of a list."""


class Gathering(Generic[Ticketed]):
    """Tells tickets as their jobs end. Takes the seconds for all, None: without end.

    One job is looked at a time, the one that is due: soon after the last look at first, then ever more
    rarely. So many jobs cost few requests, and the pause until the next look is spent at the API.
    """

    def __init__(self, api: Api, tickets: Iterable[Ticketed], timeout: float | None) -> None:
        self._api = api
        self._deadline = Deadline(timeout)
        self._number = count()
        self._waiting: list[tuple[float, int, float, Ticketed]] = []
        for ticket in tickets:
            self._add(ticket, 0.0)

    def next(self) -> Flow[Ticketed | None]:
        """The next ticket whose job is over; None when all have been told. Raises WaitTimeoutError."""
        while self._waiting:
            due, _, interval, ticket = heapq.heappop(self._waiting)
            if not ticket.job.ended:
                pause = self._deadline.cut(max(0.0, due - time.monotonic()))
                look = self._api.job_after(ticket.seen, pause) if pause else self._api.job(ticket.id)
                ticket.seen = yield from look
            if ticket.job.ended:
                return ticket
            self._add(ticket, min(MAX_INTERVAL, max(ticket.seen.retry_after, interval * SLOWER)))
        return None

    def _add(self, ticket: Ticketed, interval: float) -> None:
        heapq.heappush(self._waiting, (time.monotonic() + interval, next(self._number), interval, ticket))


class Listing:
    """Reads a list of jobs page by page. Takes filters, of which None is none, and the most jobs."""

    def __init__(self, api: Api, filters: Mapping[str, str | None], limit: int | None) -> None:
        self._api = api
        self._query = {name: value for name, value in filters.items() if value is not None}
        self._left = limit
        self._over = limit == 0

    def next(self) -> Flow[list[Seen] | None]:
        """The next page, which may be empty; None after the last."""
        if self._over:
            return None
        size = PAGE if self._left is None else min(PAGE, self._left)
        jobs, cursor = yield from self._api.jobs({**self._query, "limit": str(size)})
        if self._left is not None:
            self._left -= len(jobs)
        self._over = cursor is None or self._left == 0
        self._query["cursor"] = cursor or ""
        return jobs
