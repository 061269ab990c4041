"""When periodic tasks are due: right in every zone, and an expression that is not is refused at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from coatcheck.errors import CatalogError
from coatcheck.schedule import MOST_CAUGHT_UP, ON_TIME, Schedule, schedule_of

BEGIN, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
"""Two with changes by an hour, one by half an hour, one with an odd offset and none."""
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def ticks(schedule: Schedule, begin: datetime, end: datetime) -> list[datetime]:
    return list(takewhile(lambda tick: tick <= end, schedule.after(begin)))


# Times


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "cron", ["0 12 * * *", "0 * * * *", "30 6 29 2 *", "0 9 * * MON-FRI", "5 4 1,15 * *"]
)
def test_two_years_are_those_of_another_library(zone: str, cron: str) -> None:
    theirs = croniter(cron, BEGIN.astimezone(ZoneInfo(zone)), ret_type=datetime)
    expected = takewhile(lambda tick: tick <= END, (tick.astimezone(UTC) for tick in theirs))
    assert ticks(Schedule(cron=cron, timezone=zone), BEGIN, END) == list(expected)


def test_what_is_due_in_the_hour_that_is_skipped_runs_right_after_it_and_once() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    found = ticks(schedule, at("2026-03-28T00:00"), at("2026-03-30T23:00"))
    assert found == [at("2026-03-28T01:30"), at("2026-03-29T01:00"), at("2026-03-30T00:30")]


def test_what_is_due_in_the_hour_that_is_repeated_runs_once() -> None:
    schedule = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
    found = ticks(schedule, at("2026-10-24T12:00"), at("2026-10-26T12:00"))
    assert found == [at("2026-10-25T00:30"), at("2026-10-26T01:30")]


def test_what_runs_all_day_runs_in_the_repeated_hour_twice_and_in_the_skipped_one_never() -> None:
    schedule = Schedule(cron="*/30 * * * *", timezone="Europe/Berlin")
    for day in ("2026-03-29", "2026-10-25"):
        found = ticks(schedule, at(f"{day}T00:00"), at(f"{day}T06:00"))
        assert [after - before for before, after in pairwise(found)] == [timedelta(minutes=30)] * 11


def test_a_leap_day_comes_when_there_is_one() -> None:
    found = ticks(Schedule(cron="0 0 29 2 *"), at("2025-01-01T00:00"), at("2033-01-01T00:00"))
    assert found == [at("2028-02-29T00:00"), at("2032-02-29T00:00")]


@given(MOMENTS, st.integers(1, 400_000))
def test_every_counts_from_1970(moment: datetime, seconds: int) -> None:
    schedule = Schedule(every=seconds)
    after, before = next(schedule.after(moment)), next(schedule.before(moment))
    assert before < moment < after or before < moment == after - timedelta(seconds=seconds)
    assert after.timestamp() % seconds == before.timestamp() % seconds == 0
    assert timedelta(0) < after - moment <= timedelta(seconds=seconds)


@given(MOMENTS, st.sampled_from(["*/7 * * * *", "0 3 * * *", "15 2 * * SUN"]), st.sampled_from(ZONES))
def test_forward_and_back_are_the_same_ticks(moment: datetime, cron: str, zone: str) -> None:
    schedule = Schedule(cron=cron, timezone=zone)
    forward = list(islice(schedule.after(moment), 5))
    back = list(islice(schedule.before(forward[-1] + timedelta(microseconds=1)), 5))
    assert back == forward[::-1]


# Catching up


MISSED = (at("2026-01-01T00:00"), at("2026-01-01T05:30"))
"""From the last tick until somebody looks again."""


@pytest.mark.parametrize(("catch_up", "hours"), [("all", [1, 2, 3, 4, 5]), ("last", [5]), ("none", [])])
def test_missed_ticks_are_made_up_for_as_asked(catch_up: Any, hours: list[int]) -> None:
    schedule = Schedule(every=3600, catch_up=catch_up)
    assert schedule.due(*MISSED) == [at(f"2026-01-01T0{hour}:00") for hour in hours]


@pytest.mark.parametrize("catch_up", ["all", "last", "none"])
def test_a_tick_that_is_on_time_runs_whatever_is_asked(catch_up: Any) -> None:
    schedule = Schedule(every=3600, catch_up=catch_up)
    tick = at("2026-01-01T05:00")
    for late in (timedelta(0), ON_TIME):
        assert schedule.due(at("2026-01-01T04:00"), tick + late) == [tick]
    assert schedule.due(tick, tick + ON_TIME) == [], "once"


@pytest.mark.parametrize("catch_up", ["all", "last", "none"])
def test_a_clock_that_goes_back_makes_nothing_due(catch_up: Any) -> None:
    schedule = Schedule(every=60, catch_up=catch_up)
    assert schedule.due(at("2026-01-01T12:00"), at("2026-01-01T09:00")) == []


def test_very_many_missed_ticks_come_in_parts() -> None:
    schedule = Schedule(every=1, catch_up="all")
    due = schedule.due(at("2026-01-01T00:00"), at("2026-01-02T00:00"))
    assert len(due) == MOST_CAUGHT_UP
    assert schedule.due(due[-1], at("2026-01-02T00:00"))[0] == due[-1] + timedelta(seconds=1)


# What @task takes


def made(**options: Any) -> Schedule | None:
    usual: dict[str, Any] = {"cron": None, "every": None, "timezone": None, "arguments": None}
    return schedule_of(**usual | {"overlap": "skip", "catch_up": "last"} | options)


@pytest.mark.parametrize(
    ("every", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), ("7d", 604_800), (45, 45)]
)
def test_every_is_a_duration(every: str | int, seconds: int) -> None:
    assert made(every=every) == Schedule(every=seconds)


def test_a_task_without_either_has_no_schedule() -> None:
    assert made() is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cron": "0 3 * *"}, "five fields"),
        ({"cron": "0 3 * * * *"}, "five fields"),
        ({"cron": "61 3 * * *"}, "not valid: Bad minute"),
        ({"cron": "0 3 31 2 *"}, "not valid: Bad day-of-month"),
        ({"cron": "hello"}, "five fields"),
        ({"cron": "0 3 * * *", "timezone": "Europe/Nowhere"}, "no time zone's name"),
        ({"cron": "0 3 * * *", "timezone": "../../etc/passwd"}, "no time zone's name"),
        ({"cron": "0 3 * * *", "every": "5m"}, "can't be given together"),
        ({"every": "5 minutes"}, "such as '5m'"),
        ({"every": 0}, "such as '5m'"),
        ({"every": True}, "such as '5m'"),
        ({"every": "0s"}, "such as '5m'"),
        ({"every": "5m", "timezone": "Europe/Berlin"}, "no effect"),
        ({"timezone": "Europe/Berlin"}, "belong to a schedule"),
        ({"arguments": {"a": 1}}, "belong to a schedule"),
        ({"every": "5m", "overlap": "wait"}, "should be one of skip, queue"),
        ({"every": "5m", "catch_up": "some"}, "should be one of last, all, none"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        made(**options)
