"""Jobs that were submitted together, as one thing to be watched and canceled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coatcheck.client.api import Api
from coatcheck.client.documents import Document, SeenBatch
from coatcheck.client.flow import AsyncRun, Flow, Pause, Run
from coatcheck.client.ticket import AsyncTicket, Ticket
from coatcheck.client.watch import Deadline


class BaseBatch:
    """What both kinds of batches share. Its attributes tell of the batch as it was seen last."""

    def __init__(self, api: Api, seen: SeenBatch) -> None:
        self._api = api
        self._seen = seen

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"

    @property
    def document(self) -> Document:
        """The batch as the API told it last, as JSON."""
        return self._seen.document

    @property
    def id(self) -> str:
        """The batch's id, which each of its jobs has as ``job.batch``."""
        return str(self.document["id"])

    @property
    def status(self) -> str:
        """``running`` until all jobs are over, then ``finished``, or ``failed`` if one did not finish."""
        return str(self.document["status"])

    @property
    def counts(self) -> Mapping[str, int]:
        """How many jobs there are of each status."""
        counts: Mapping[str, int] = self.document["counts"]
        return counts

    @property
    def total(self) -> int:
        """How many jobs it has."""
        return int(self.document["total"])

    @property
    def progress(self) -> float:
        """How much of it is over, from 0 to 1."""
        return float(self.document["progress"])

    def _see(self, flow: Flow[SeenBatch]) -> Flow[None]:
        self._seen = yield from flow

    def _wait(self, timeout: float | None) -> Flow[None]:
        deadline = Deadline(timeout)
        while self.status == "running":
            yield Pause(deadline.cut(self._seen.retry_after))
            yield from self._see(self._api.batch(self.id))


class Batch(BaseBatch):
    """Jobs that were submitted together."""

    def __init__(self, run: Run, api: Api, seen: SeenBatch) -> None:
        super().__init__(api, seen)
        self._run = run

    @property
    def tickets(self) -> list[Ticket[Any]]:
        """A ticket for each of its jobs, in their order, as they were seen last; for the first 1,000."""
        return [Ticket(self._run, self._api, job) for job in self._seen.jobs]

    def refresh(self) -> None:
        """Look at it now. Raises UnknownBatchError when its time is over."""
        self._run(self._see(self._api.batch(self.id)))

    def wait(self, timeout: float | None = None) -> str:
        """Wait until all its jobs are over. Returns its status. Raises WaitTimeoutError."""
        self._run(self._wait(timeout))
        return self.status

    def cancel(self) -> None:
        """Cancel those of its jobs that wait, stop those that run. Raises ConflictError when all are over."""
        self._run(self._see(self._api.cancel_batch(self.id)))


class AsyncBatch(BaseBatch):
    """Jobs that were submitted together, for asyncio."""

    def __init__(self, run: AsyncRun, api: Api, seen: SeenBatch) -> None:
        super().__init__(api, seen)
        self._run = run

    @property
    def tickets(self) -> list[AsyncTicket[Any]]:
        """A ticket for each of its jobs, in their order, as they were seen last; for the first 1,000."""
        return [AsyncTicket(self._run, self._api, job) for job in self._seen.jobs]

    async def refresh(self) -> None:
        """Look at it now. Raises UnknownBatchError when its time is over."""
        await self._run(self._see(self._api.batch(self.id)))

    async def wait(self, timeout: float | None = None) -> str:
        """Wait until all its jobs are over. Returns its status. Raises WaitTimeoutError."""
        await self._run(self._wait(timeout))
        return self.status

    async def cancel(self) -> None:
        """Cancel those of its jobs that wait, stop those that run. Raises ConflictError when all are over."""
        await self._run(self._see(self._api.cancel_batch(self.id)))
