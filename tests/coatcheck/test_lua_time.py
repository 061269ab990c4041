"""The scripts' own calendar against Python's: the same text for the same second."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
import redis

from coatcheck.job import format_time
from coatcheck.scripts import FOLDER

CALENDAR = "".join((FOLDER / "parts" / f"{part}.lua").read_text() for part in ("clock", "calendar"))
CLOCK = "local clock = redis.call('TIME')\n"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_DAY = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH).days


def written(client: redis.Redis, moments: list[datetime]) -> list[str]:
    """What the scripts' ``iso()`` makes of each moment."""
    assert CALENDAR.count(CLOCK) == 1
    calendar = CALENDAR.replace(CLOCK, "local clock = {ARGV[2], ARGV[3]}\n")
    loop = """
    local texts = {}
    for i = 2, #ARGV, 2 do
      clock = {ARGV[i], ARGV[i + 1]}
      texts[#texts + 1] = iso()
    end
    return texts
    """
    pairs = [divmod((moment - EPOCH) // timedelta(microseconds=1), 1_000_000) for moment in moments]
    answer = client.eval(calendar + loop, 0, "{t}", *(str(part) for pair in pairs for part in pair))
    return [text.decode() for text in answer]


def assert_same(client: redis.Redis, moments: list[datetime]) -> None:
    assert written(client, moments) == [format_time(moment) for moment in moments]


@pytest.mark.parametrize(
    "moment",
    [
        EPOCH,
        EPOCH + timedelta(microseconds=1),
        datetime(1972, 2, 29, tzinfo=UTC),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2000, 2, 28, 23, 59, 59, tzinfo=UTC),
        datetime(2000, 2, 29, tzinfo=UTC),
        datetime(2000, 3, 1, tzinfo=UTC),
        datetime(2024, 2, 29, 12, 34, 56, 789_012, tzinfo=UTC),
        datetime(2026, 11, 25, 10, tzinfo=UTC),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
        datetime(2100, 2, 28, 23, 59, 59, tzinfo=UTC),
        datetime(2100, 3, 1, tzinfo=UTC),
        datetime(2400, 2, 29, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
    ids=str,
)
def test_the_special_days_are_right(client: redis.Redis, moment: datetime) -> None:
    assert_same(client, [moment])


def test_every_day_of_the_years_1970_to_2101_is_right(client: redis.Redis) -> None:
    days = (datetime(2102, 1, 1, tzinfo=UTC) - EPOCH).days
    for start in range(0, days, 10_000):
        assert_same(client, [EPOCH + timedelta(days=day) for day in range(start, min(start + 10_000, days))])


def test_random_moments_until_the_year_9999_are_right(client: redis.Redis) -> None:
    numbers = random.Random(4)
    assert_same(
        client,
        [
            EPOCH
            + timedelta(numbers.randrange(LAST_DAY), numbers.randrange(86_400), numbers.randrange(10**6))
            for _ in range(5000)
        ],
    )


def test_without_a_substitute_the_clock_is_the_servers(client: redis.Redis) -> None:
    others = {*FOLDER.rglob("*.lua")} - {FOLDER / "parts" / "clock.lua"}
    assert others, "the scripts are there"
    assert not any("TIME" in path.read_text() for path in others)
    script = CALENDAR + "return {iso(), clock[1], clock[2]}"
    text, seconds, microseconds = client.eval(script, 0, "{t}")
    moment = EPOCH + timedelta(seconds=int(seconds), microseconds=int(microseconds))
    assert text.decode() == format_time(moment)
