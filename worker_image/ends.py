"""The ends of a worker's runs, until Redis has them."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

from redis import RedisError

from worker_image.delivery import Delivery, UnrecordedEnd
from worker_image.ending import NOTHING, Ended, Following
from worker_image.orders import Orders
from worker_image.patience import Patience
from worker_image.run import Outcome, Run
from worker_image.telemetry import Telemetry

log = logging.getLogger("coatcheck.worker")


class Ends:
    """Takes the worker's name and what it works with.

    ``following`` tells what to begin in the step that records an end, ``begun`` is called with each such job.
    """

    def __init__(
        self,
        name: str,
        delivery: Delivery,
        patience: Patience,
        orders: Orders,
        telemetry: Telemetry,
        following: Callable[[], Following],
        begun: Callable[[Run], object],
    ) -> None:
        self._name = name
        self._delivery = delivery
        self._patience = patience
        self._orders = orders
        self._telemetry = telemetry
        self._following = following
        self._begun = begun
        self._waiting: list[UnrecordedEnd] = []
        self._sent: deque[UnrecordedEnd] = deque()
        """Those that Redis was sent, and has not answered yet."""

    def __bool__(self) -> bool:
        """Whether any is not recorded yet."""
        return bool(self._waiting or self._sent)

    @property
    def waiting(self) -> bool:
        """Whether any is to be sent."""
        return bool(self._waiting)

    @property
    def coming(self) -> int:
        """How many jobs may have begun with those that Redis has not answered yet."""
        return sum(end.asks for end in self._sent)

    @property
    def sent(self) -> bool:
        """Whether Redis has still to answer."""
        return bool(self._sent)

    def add(self, run: Run, outcome: Outcome) -> None:
        """A run has ended."""
        self._waiting.append(self._delivery.end(run, outcome))

    def record(self) -> None:
        """Have Redis record those that wait, without waiting for its answers unless it failed before."""
        while self._waiting and not self._patience.left():
            end = self._waiting.pop(0)
            if end.following is None:
                end.following = NOTHING if end.outcome.kind == "returned" else self._following()
            if end.outcome.kind != "lost" and not end.again:
                self._send(end)
                continue
            try:
                ended = self._delivery.record(end)
            except RedisError as error:
                now = time.monotonic()
                if now < end.give_up and not self._orders.overdue(now):
                    self._waiting.append(end)
                    self._patience.failed(error, f"job {end.run.job_id}: its end can't be recorded")
                    return
                self._tell(end, end.leave(error))
                continue
            self._recorded(end, ended)

    def hear(self, readable: bool | None) -> None:
        """Take in what Redis has answered. Takes whether it has; None: nobody knows."""
        try:
            while self._delivery.answered(readable):
                ended = self._delivery.answer(self._sent[0])
                self._recorded(self._sent.popleft(), ended)
                readable = None
        except RedisError:
            self._repeat()

    def _send(self, end: UnrecordedEnd) -> None:
        end.again = True
        self._sent.append(end)
        try:
            self._delivery.send(end)
        except RedisError:
            self._repeat()

    def _repeat(self) -> None:
        """Nobody knows which of those that were sent are recorded: each is told again."""
        self._waiting[:0] = self._sent
        self._sent.clear()

    def _recorded(self, end: UnrecordedEnd, ended: Ended) -> None:
        self._patience.worked()
        self._tell(end, ended.status)
        for run in ended.begun:
            self._begun(run)

    def _tell(self, end: UnrecordedEnd, status: str) -> None:
        run, outcome = end.run, end.outcome
        seconds = time.monotonic() - run.begun
        log.info(
            "job %s %s: %s after %.2f s%s",
            run.job_id,
            run.task,
            status,
            seconds,
            outcome.note,
            extra=run.log_fields(outcome=status, duration=round(seconds, 3), worker=self._name),
        )
        self._telemetry.ended(run, outcome, status, seconds)
