"""Jobs that come after each other, submitted at once: a chain, a fan-out, a diamond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from coatcheck.client.api import Api
from coatcheck.client.documents import Seen
from coatcheck.client.flow import AsyncRun, Flow, Run
from coatcheck.client.orders import Named, Order, Span, ids_of, result_of
from coatcheck.client.ticket import AsyncTicket, Ticket


@dataclass(frozen=True, slots=True)
class Step:
    """A job of a workflow. ``id`` is what the others of the workflow call it; as a job it has another."""

    id: str

    def result(self, pointer: str = "") -> dict[str, str]:
        """An argument that stands for its result, or the part of it that a JSON Pointer names."""
        return result_of(self, pointer)


class BaseWorkflow:
    """What both kinds of workflows share."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._orders: list[Order[Any]] = []

    def add(
        self,
        task: str | Order[Any],
        arguments: Mapping[str, Any] | None = None,
        *,
        after: Named | Sequence[Named] = (),
        if_failed: str | None = None,
        queue: str | None = None,
        delay: Span | None = None,
        at: datetime | str | None = None,
        timeout: Span | None = None,
        callback: str | None = None,
    ) -> Step:
        """Add a job, or an order that was made before. Returns what the others may come after.

        Takes what ``submit`` does. ``after``: steps, and jobs that were submitted before; those whose results
        the arguments take need not be named again.
        """
        if isinstance(task, Order):
            named = [*ids_of(task.after), *ids_of(after)]
            order = replace(task, after=named, if_failed=if_failed or task.if_failed)
        else:
            order = Order(task, arguments or {}, queue, delay, at, timeout, callback, after, if_failed)
        step = Step(order.ref or f"step-{len(self._orders) + 1}")
        self._orders.append(replace(order, ref=step.id))
        return step

    def _submit(self, key: str | None) -> Flow[list[Seen]]:
        return self._api.submit_batch(self._orders, key)


class Workflow(BaseWorkflow):
    """Jobs that come after each other."""

    def __init__(self, run: Run, api: Api) -> None:
        super().__init__(api)
        self._run = run

    def submit(self, *, idempotency_key: str | None = None) -> list[Ticket[Any]]:
        """Submit all of it, or nothing. Returns a ticket for each step, in their order.

        Raises what ``submit`` of a client does.
        """
        return [Ticket(self._run, self._api, job) for job in self._run(self._submit(idempotency_key))]


class AsyncWorkflow(BaseWorkflow):
    """Jobs that come after each other, for asyncio."""

    def __init__(self, run: AsyncRun, api: Api) -> None:
        super().__init__(api)
        self._run = run

    async def submit(self, *, idempotency_key: str | None = None) -> list[AsyncTicket[Any]]:
        """Submit all of it, or nothing. Returns a ticket for each step, in their order.

        Raises what ``submit`` of a client does.
        """
        jobs = await self._run(self._submit(idempotency_key))
        return [AsyncTicket(self._run, self._api, job) for job in jobs]
