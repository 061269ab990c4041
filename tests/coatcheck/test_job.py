"""Job ids and times."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rq.utils import utcformat, utcparse

from coatcheck.job import (
    ENDED_STATUSES,
    RETRYABLE_STATUSES,
    WAITING_STATUSES,
    JobStatus,
    format_time,
    is_job_id,
    new_job_id,
    parse_time,
    submitted_at_ms,
    utcnow,
)

VALID = "01kay0000g" + "0" * 26
LAST_SECOND = 32503679999  # of the year 2999


def test_an_id_has_36_characters_that_need_no_escaping_anywhere() -> None:
    assert re.fullmatch(r"[0-9a-z]{36}", new_job_id())


def test_ids_of_the_same_moment_differ() -> None:
    assert len({new_job_id(1_700_000_000.5) for _ in range(1000)}) == 1000


def test_ids_made_one_after_the_other_keep_their_order_also_when_the_clock_stands_or_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.time_ns()
    clock = iter([now + 1_000_000, *[now] * 500, *range(now, now - 500, -1)])
    monkeypatch.setattr("coatcheck.job.time.time_ns", lambda: next(clock))
    ids = [new_job_id() for _ in range(1001)]
    assert ids == sorted(ids) and len(set(ids)) == 1001


@given(st.lists(st.integers(0, LAST_SECOND * 1000), min_size=2, max_size=20, unique=True))
def test_ids_sort_by_time(milliseconds: list[int]) -> None:
    ids = [new_job_id((ms + 0.5) / 1000) for ms in sorted(milliseconds)]
    assert ids == sorted(ids)


@given(st.integers(0, LAST_SECOND * 1000))
def test_an_id_tells_when_it_was_made_to_the_millisecond(milliseconds: int) -> None:
    assert submitted_at_ms(new_job_id((milliseconds + 0.5) / 1000)) == milliseconds


def test_ids_made_one_after_another_keep_their_order() -> None:
    ids = [new_job_id() for _ in range(5000)]
    assert ids == sorted(set(ids))


def test_an_id_made_now_tells_now() -> None:
    before = int(utcnow().timestamp() * 1000)
    made = submitted_at_ms(new_job_id())
    assert before <= made <= int(utcnow().timestamp() * 1000)


def test_every_new_id_is_one() -> None:
    assert all(is_job_id(new_job_id()) for _ in range(100))
    assert is_job_id(VALID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        VALID[:-1],
        VALID + "0",
        VALID + "\n",
        "\n" + VALID[1:],
        VALID[:-1] + "\n",
        VALID[:-1] + "\0",
        VALID.upper(),
        VALID[:-1] + "A",
        *(VALID[:-1] + letter for letter in "ilou"),
        VALID[:-1] + "\u0661",  # a digit of another script
        VALID[:-1] + "\uff11",
        VALID[:-1] + "\u212a",  # the kelvin sign, which lower-cases to k
        VALID[:-1] + ":",
        VALID[:-1] + "}",
        VALID[:-1] + "*",
        VALID[:-2] + "..",
        "../" * 12,
        " " * 36,
        "550e8400-e29b-41d4-a716-446655440000",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    assert not is_job_id(text)


@given(st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC)))
def test_times_are_written_and_read_as_rq_does(moment: datetime) -> None:
    text = format_time(moment)
    assert text == utcformat(moment)
    assert parse_time(text) == moment == utcparse(text)


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    moment = datetime(2026, 11, 25, 12, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2026-11-25T10:00:00.000000Z"


@pytest.mark.parametrize(
    "text", ["2026-11-25T10:00:00.000000Z", "2026-11-25T12:00:00+02:00", "2026-11-25T10:00:00"]
)
def test_a_time_is_read_in_utc(text: str) -> None:
    assert parse_time(text) == datetime(2026, 11, 25, 10, tzinfo=UTC)
    assert parse_time(text).utcoffset() == timedelta(0)


@pytest.mark.parametrize("text", ["", "now", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"month must be|Invalid isoformat|no time of the years"):
        parse_time(text)


def test_each_status_waits_runs_or_is_over() -> None:
    assert set(JobStatus) == WAITING_STATUSES | {JobStatus.STARTED} | ENDED_STATUSES
    assert not WAITING_STATUSES & ENDED_STATUSES
    assert {JobStatus.FINISHED} == ENDED_STATUSES - RETRYABLE_STATUSES
