"""A schedule in words: what is easy to read, and true."""

from __future__ import annotations

import pytest

from coatcheck.schedule import Schedule, schedule_of
from coatcheck.schedule_words import words


@pytest.mark.parametrize(
    ("every", "expected"),
    [
        (1, "every second"),
        (90, "every 90 seconds"),
        (60, "every minute"),
        (300, "every 5 minutes"),
        (3600, "every hour"),
        (5400, "every 90 minutes"),
        (86_400, "every day"),
        (7 * 86_400, "every 7 days"),
    ],
)
def test_a_span_is_told_in_its_largest_whole_unit(every: int, expected: str) -> None:
    assert words(Schedule(every=every)) == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("0 * * * *", "every hour"),
        ("15 * * * *", "every hour at :15"),
        ("0 */6 * * *", "every 6 hours"),
        ("5 */6 * * *", "every 6 hours at :05"),
        ("0 3 * * *", "every day at 03:00"),
        ("30 2 * * 1", "every Monday at 02:30"),
        ("30 2 * * 7", "every Sunday at 02:30"),
        ("30 2 * * sat", "every Saturday at 02:30"),
        ("0 8 * * 1-5", "Monday to Friday at 08:00"),
        ("0 0 1 * *", "on the 1st of each month at 00:00"),
        ("0 0 11 * *", "on the 11th of each month at 00:00"),
        ("0 0 22 * *", "on the 22nd of each month at 00:00"),
        ("0 12 L * *", "on the last day of each month at 12:00"),
    ],
)
def test_a_common_expression_is_told_in_words(cron: str, expected: str) -> None:
    assert words(Schedule(cron=cron)) == expected


@pytest.mark.parametrize(
    "cron",
    [
        "*/7 * * * *",
        "*/5 3 * * *",
        "0 */5 * * *",
        "0 3,4 * * *",
        "0 3 1 * 1",
        "0 3 1 6 *",
        "0 3 1-7 * *",
        "0 3 * * 1#2",
        "0 3 * * MON,WED",
        "0-30/10 3 * * *",
        "0 3 LW * *",
    ],
)
def test_any_other_stays_as_it_is(cron: str) -> None:
    schedule = schedule_of(cron, None, None, None, "skip", "last")
    assert schedule is not None
    assert words(schedule) == cron
