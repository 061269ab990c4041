"""Runs periodic tasks: what any living pool does each second, and on AWS a function each minute.

All of them find the same ticks, and ``tick.lua`` submits each one's job once.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import redis

from coatcheck.catalog import TaskSpec, submission_of
from coatcheck.codec import packed
from coatcheck.connection import as_text
from coatcheck.job import tick_job_id
from coatcheck.keys import Keys
from coatcheck.limits import Limits
from coatcheck.schedule import MOST_CAUGHT_UP, Schedule
from coatcheck.schedules import tick_time
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings

if TYPE_CHECKING:
    from coatcheck.signing import Signatures

log = logging.getLogger("coatcheck.ticker")


@dataclass(frozen=True, slots=True)
class _State:
    """What Redis keeps of a schedule: its last tick, and the secret that its jobs' ids come from."""

    last: datetime
    salt: str


class Ticker:
    """Takes a client of Redis, the settings, the tasks of the catalogue, and what signs their jobs."""

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        tasks: Iterable[TaskSpec],
        signatures: Signatures | None,
    ) -> None:
        self._redis = client
        self._settings = settings
        self._keys = Keys(settings.prefix)
        self._scripts = Scripts(client, settings.prefix)
        self._limits = str(Limits.of(settings))
        self._signatures = signatures
        self._tasks = {task.name: (task, task.schedule) for task in tasks if task.schedule is not None}
        self._next: dict[str, datetime | None] = dict.fromkeys(self._tasks, datetime.min.replace(tzinfo=UTC))
        """When to look at each task again; None: its ticks have come to an end."""

    def tick(self) -> list[tuple[str, str]]:
        """Submit what is due by Redis' clock. Returns each tick's task and what became of it.

        Raises RedisError: what was not submitted is due again at the next call.
        """
        if not self._tasks:
            return []
        now = redis_time(self._redis)
        told = []
        for name, (task, schedule) in self._tasks.items():
            look = self._next[name]
            if look is not None and look <= now:
                told += [(name, outcome) for outcome in self._run(task, schedule, now)]
        return told

    def _run(self, task: TaskSpec, schedule: Schedule, now: datetime) -> list[str]:
        state = self._state(task.name, now)
        due = schedule.due(state.last, now)
        outcomes = []
        for tick in due:
            outcomes.append(self._submit(task, schedule, tick, state.salt))
            if outcomes[-1] == "full":
                break  # no later one before it
        again = "full" in outcomes or len(due) == MOST_CAUGHT_UP
        self._next[task.name] = now if again else schedule.next(now)
        return outcomes

    def _state(self, name: str, now: datetime) -> _State:
        """The schedule's state; a new one begins now."""
        key = self._keys.schedule(name)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.hsetnx(key, "last", f"{now.timestamp():.6f}")
        pipeline.hsetnx(key, "salt", secrets.token_hex(16))
        pipeline.hmget(key, "last", "salt")
        told, salt = map(as_text, pipeline.execute()[-1])
        last = tick_time(told)
        if last is None:
            log.warning("%s: the last tick that Redis tells is no time; going on from now", name)
            self._redis.hset(key, "last", f"{now.timestamp():.6f}")
        return _State(last or now, salt)

    def _submit(self, task: TaskSpec, schedule: Schedule, tick: datetime, salt: str) -> str:
        settings = self._settings
        submission = replace(
            submission_of(task, schedule.arguments, settings), id=tick_job_id(task.name, tick, salt)
        )
        keys = [self._keys.schedule(task.name)]
        seconds = f"{tick.timestamp():.6f}"
        job = packed(submission, settings.failure_ttl, self._signatures)
        outcome = as_text(self._scripts.run("tick", keys, seconds, schedule.overlap, self._limits, *job))
        if outcome in ("new", "skipped"):
            log.info("%s is due (%s): %s", task.name, tick.isoformat(), outcome, extra={"task": task.name})
        return outcome


def redis_time(client: redis.Redis) -> datetime:
    """The time by Redis' clock, which all agree on."""
    answer: Any = client.time()
    seconds, microseconds = answer
    return datetime.fromtimestamp(seconds + microseconds / 1_000_000, UTC)
