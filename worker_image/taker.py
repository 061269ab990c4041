"""Takes jobs beside those that a worker runs, without waiting for one."""

from __future__ import annotations

import time

from redis import RedisError

from worker_image.delivery import Delivery, new_execution
from worker_image.orders import Orders
from worker_image.patience import Patience
from worker_image.run import Run

TAKE_SECONDS = 0.02, 0.2
"""First and longest pause between two looks at an empty queue."""


class Taker:
    """Takes the queue's name, the seconds of a lease, and what it works with."""

    def __init__(
        self, queue: str, lease: float, delivery: Delivery, patience: Patience, orders: Orders
    ) -> None:
        self._queue = queue
        self._lease = lease
        self._delivery = delivery
        self._patience = patience
        self._orders = orders
        self._pause = TAKE_SECONDS[0]
        self._taken: Run | None = None
        self.next_look = 0.0
        """When to look at the queue again, on the monotonic clock."""

    def __bool__(self) -> bool:
        """Whether a job was taken that has not begun yet."""
        return self._taken is not None

    def begun(self) -> Run | None:
        """The next job, which has begun; None: there is none, or Redis can't be used."""
        now = time.monotonic()
        if self._patience.left() or now < self.next_look:
            return None
        try:
            if self._taken is None:
                self._taken = self._take(now)
            begun = self._taken is not None and self._delivery.begin(self._taken)
        except RedisError as error:
            taken = self._taken
            if taken and (now >= taken.begun + self._lease or self._orders.overdue(now)):
                self._taken = None  # the janitor deals with it, by its lease if it has begun
            self._patience.failed(error)
            return None
        self._patience.worked()
        run, self._taken = self._taken, None
        return run if begun else None

    def _take(self, now: float) -> Run | None:
        job_id = self._delivery.take(self._queue)
        if job_id is None:
            self.next_look = now + self._pause
            self._pause = min(2 * self._pause, TAKE_SECONDS[1])
            return None
        self._pause = TAKE_SECONDS[0]
        return Run(job_id, new_execution(), self._queue)
