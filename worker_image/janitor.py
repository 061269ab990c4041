"""Keeps the queues going: what any living pool does each second, whoever of the workers died.

Several pools may do it at once. Every step is a script that moves each job once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.keys import Keys
from coatcheck.listing import queue_names
from coatcheck.recovery import BATCH, PATIENCE, sweep
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from worker_image.steps import Steps

TRIM_SECONDS = 5.0
"""How often registries drop what has expired."""
TRIM_BATCHES = 100
"""How often in one round BATCH entries of one registry are dropped."""

SETTLE_CALLS = 20
"""How often in one round jobs are seen to whose dependencies changed, about 1,000 dependencies each."""
PRUNE_BATCH = 500
"""About how many entries of a list are held to their jobs in one round."""


class Janitor:
    """Takes a client of Redis, the settings, the queues to care for, and what takes its steps."""

    def __init__(
        self, client: redis.Redis, settings: Settings, queues: Sequence[str], steps: Steps | None = None
    ) -> None:
        self._redis = client
        self._keys = Keys(settings.prefix)
        self._scripts = Scripts(client, settings.prefix)
        self._adapter = QueueAdapter(client, settings)
        self._queues = tuple(queues)
        self._steps = steps or Steps()
        self._lease = settings.worker_lease
        self._trimmed = 0.0
        self._cursors: dict[str, int] = {}

    def tick(self) -> list[tuple[str, str]]:
        """One round. Returns the jobs that had lost their worker, each with what became of it."""
        swept = self._steps.take("looking for lost workers", self._sweep)
        for queue in self._queues:
            self._steps.take(f"what is due on {queue}", partial(self._promote, queue))
        self._steps.take("jobs that come after others", self._settle)
        self._steps.take("callbacks of jobs that came back", self._adapter.equip)
        if time.monotonic() - self._trimmed >= TRIM_SECONDS:
            self._steps.take("dropping what has expired", self._trim)
            self._trimmed = time.monotonic()
        return swept or []

    def _sweep(self) -> list[tuple[str, str]]:
        return sweep(self._scripts, self._keys.leases, self._keys.swept, self._lease)

    def _promote(self, queue: str) -> None:
        scheduled, intermediate = self._keys.registry("scheduled", queue), self._keys.intermediate(queue)
        self._scripts.run(
            "promote", [scheduled, intermediate, self._keys.queue(queue)], queue, PATIENCE, BATCH
        )

    def _settle(self) -> None:
        for _ in range(SETTLE_CALLS):
            if not self._scripts.run("settle", []):
                break

    def _trim(self) -> None:
        """Drop what expired from registries, the lists of jobs and those of workers."""
        # Also of queues that nobody serves any more: their jobs end, too.
        queues = sorted({*queue_names(self._redis, self._keys), *self._queues})
        for queue in queues:
            for registry in ("finished", "failed", "canceled"):
                keys = [self._keys.registry(registry, queue), self._keys.index, self._keys.owned]
                for _ in range(TRIM_BATCHES):
                    if self._scripts.run("trim", keys, BATCH) < BATCH:
                        break
        self._drop_gone(queues)
        self._prune()

    def _drop_gone(self, queues: Sequence[str]) -> None:
        """Drop workers whose record has expired."""
        lists = [self._keys.workers, *(self._keys.workers_of(queue) for queue in queues)]
        names = sorted(self._redis.sunion(lists))
        pipeline = self._redis.pipeline(transaction=False)
        for name in names:
            pipeline.exists(name)
        gone = [name for name, alive in zip(names, pipeline.execute(), strict=True) if not alive]
        if gone:
            for key in lists:
                pipeline.srem(key, *gone)
            pipeline.execute()

    def _prune(self) -> None:
        """Hold the lists to the jobs: a part of each in each round, so that none is long."""
        lists = [self._keys.index, self._keys.owned]
        for key in lists:
            self._cursors[key], entries = self._redis.zscan(key, self._cursors.get(key, 0), count=PRUNE_BATCH)
            if entries:
                self._scripts.run("prune", lists, *(member for member, _ in entries))
