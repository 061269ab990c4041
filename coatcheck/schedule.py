"""When a periodic task is due.

The times come from cronsim, which does as Debian's cron around changes to and from daylight-saving time: what
is due in the hour that is skipped runs right after it, what is due in the hour that is repeated runs once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, Literal, cast, get_args

from coatcheck.errors import CatalogError

Overlap = Literal["skip", "queue"]
CatchUp = Literal["last", "all", "none"]
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
EVERY = re.compile(r"(\d{1,6})([smhd])")
SHORTEST, LONGEST = 1, 366 * 86_400
"""Seconds between two ticks of ``every``."""
ON_TIME = timedelta(seconds=60)
"""A tick that is found later than this was missed, and ``catch_up`` decides about it."""
MOST_CAUGHT_UP = 1000
"""Most ticks that one look yields; the next look goes on."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a task runs by itself, and with which arguments.

    Either ``cron``, five fields in a time zone (``timezone``, a name of the IANA's), or ``every``: seconds,
    counted from 1970, so that everybody finds the same ticks. ``overlap``: what becomes of a tick while the
    job of the one before has not ended. ``catch_up``: which of the ticks that nobody saw are made up for.
    """

    cron: str | None = None
    every: int | None = None
    timezone: str = "UTC"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    overlap: Overlap = "skip"
    catch_up: CatchUp = "last"

    def after(self, moment: datetime) -> Iterator[datetime]:
        """All ticks later than a moment, in order, in UTC. May end: a date may never come again."""
        return self._ticks(moment, reverse=False)

    def before(self, moment: datetime) -> Iterator[datetime]:
        """All ticks earlier than a moment, the latest first, in UTC."""
        return self._ticks(moment, reverse=True)

    def next(self, moment: datetime) -> datetime | None:
        """The first tick later than a moment, None if there is none any more."""
        return next(self.after(moment), None)

    def due(self, last: datetime, now: datetime) -> list[datetime]:
        """What to run of the ticks later than ``last``, and not later than ``now``, in order."""
        if self.catch_up == "all":
            ticks = takewhile(lambda tick: tick <= now, self.after(last))
            return [tick for tick, _ in zip(ticks, range(MOST_CAUGHT_UP), strict=False)]
        newest = next(self.before(now + timedelta(microseconds=1)), None)
        if newest is None or newest <= last:
            return []
        return [newest] if self.catch_up == "last" or now - newest <= ON_TIME else []

    def _ticks(self, moment: datetime, *, reverse: bool) -> Iterator[datetime]:
        if self.every is not None:
            return _every(self.every, moment, reverse)
        from zoneinfo import ZoneInfo

        from cronsim import CronSim

        local = moment.astimezone(ZoneInfo(self.timezone))
        return (tick.astimezone(UTC) for tick in CronSim(str(self.cron), local, reverse=reverse))


def _every(seconds: int, moment: datetime, reverse: bool) -> Iterator[datetime]:
    microseconds = round(moment.timestamp() * 1_000_000)
    step = seconds * 1_000_000
    number = (microseconds - 1) // step if reverse else microseconds // step + 1
    while number >= 0:
        yield datetime.fromtimestamp(number * seconds, UTC)
        number += -1 if reverse else 1


def schedule_of(
    cron: str | None,
    every: str | int | None,
    timezone: str | None,
    arguments: Mapping[str, Any] | None,
    overlap: str,
    catch_up: str,
) -> Schedule | None:
    """The schedule that the options of ``@task`` mean, None where they name none.

    Raises CatalogError: says which option makes no sense.
    """
    if cron is None and every is None:
        if timezone is not None or arguments is not None:
            raise CatalogError("timezone and arguments belong to a schedule: set cron or every too")
        return None
    if cron is not None and every is not None:
        raise CatalogError("cron and every can't be given together")
    if every is not None and timezone is not None:
        raise CatalogError("timezone has no effect on every, which counts seconds")
    for name, value, kind in (("overlap", overlap, Overlap), ("catch_up", catch_up, CatchUp)):
        if value not in get_args(kind):
            raise CatalogError(f"{name}={value!r} should be one of {', '.join(get_args(kind))}")
    schedule = Schedule(
        cron,
        None if every is None else _seconds(every),
        timezone or "UTC",
        dict(arguments or {}),
        cast(Overlap, overlap),
        cast(CatchUp, catch_up),
    )
    _try(schedule)
    return schedule


def _seconds(every: str | int) -> int:
    match = EVERY.fullmatch(every) if isinstance(every, str) else None
    seconds = int(match[1]) * UNITS[match[2]] if match else every
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not SHORTEST <= seconds <= LONGEST:
        raise CatalogError(
            f"every={every!r} should be whole seconds up to a year, or a text such as '5m' or '2h'"
        )
    return seconds


def _try(schedule: Schedule) -> None:
    """Raises CatalogError: the expression or the zone is not valid, or the expression never comes true."""
    cron = schedule.cron
    if cron is None:
        return
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from cronsim import CronSimError

    if len(cron.split()) != 5:
        raise CatalogError(f"cron={cron!r} should have five fields: minute hour day month weekday")
    try:
        ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        shown = repr(schedule.timezone)
        raise CatalogError(f"timezone={shown} is no time zone's name, such as 'Europe/Berlin'") from None
    try:
        found = schedule.next(datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise CatalogError(f"cron={cron!r} is not valid: {error}") from None
    if found is None:
        raise CatalogError(f"cron={cron!r} never comes true")
