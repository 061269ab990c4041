"""What Redis keeps of periodic tasks, for those who look, pause and resume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import redis

from coatcheck.connection import as_text
from coatcheck.job import is_job_id
from coatcheck.keys import Keys


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """``ran``: the last tick that became a job, and that job; ``skipped``: how many did not, as one ran."""

    ran: datetime | None = None
    job: str | None = None
    skipped: int = 0
    paused: bool = False


def read_schedules(client: redis.Redis, keys: Keys, tasks: Sequence[str]) -> list[ScheduleState]:
    """The state of each task's schedule, in one round trip."""
    pipeline = client.pipeline(transaction=False)
    for task in tasks:
        pipeline.hmget(keys.schedule(task), "ran", "job", "skipped", "paused")
    return [_state(values) for values in pipeline.execute()]


def pause_schedule(client: redis.Redis, keys: Keys, task: str, paused: bool) -> None:
    """Let a schedule's ticks pass without a job from now on, or no longer."""
    client.hset(keys.schedule(task), "paused", "1" if paused else "0")


def _state(values: Sequence[bytes | None]) -> ScheduleState:
    ran, job, skipped, paused = (as_text(value or b"") for value in values)
    return ScheduleState(
        ran=tick_time(ran),
        job=job if is_job_id(job) else None,
        skipped=int(skipped) if skipped.isdecimal() else 0,
        paused=paused == "1",
    )


def tick_time(text: str) -> datetime | None:
    """A tick as a schedule's hash has it; None for what is no time."""
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None
