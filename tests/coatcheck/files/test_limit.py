"""The bytes that an owner may upload in a day: exact, and the same however they are spread."""

from __future__ import annotations

import pytest
import redis

from coatcheck.errors import TooMuchUploadedError
from coatcheck.files.limit import MICROSECONDS, SMALLEST, UploadLimit
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import DAY

GB = 1_000_000_000
PER_DAY = 100 * GB
POLICY = {"RateLimit-Policy": '"uploads";q=100000000000;w=86400;qu="content-bytes"'}


@pytest.fixture
def limit(client: redis.Redis, keys: Keys) -> UploadLimit:
    return limit_of(client, keys, PER_DAY)


def limit_of(client: redis.Redis, keys: Keys, per_day: int) -> UploadLimit:
    return UploadLimit(Scripts(client, keys.prefix), keys, per_day)


def refused(limit: UploadLimit, size: int, owner: str = "ann") -> TooMuchUploadedError:
    with pytest.raises(TooMuchUploadedError) as caught:
        limit.take(size, owner)
    return caught.value


def pass_by(client: redis.Redis, keys: Keys, seconds: float) -> None:
    """As if so much time had passed."""
    client.set(keys.uploads("ann"), int(client.get(keys.uploads("ann")) or 0) - int(seconds * MICROSECONDS))


def test_a_days_bytes_come_at_once_and_come_back_evenly(
    limit: UploadLimit, client: redis.Redis, keys: Keys
) -> None:
    assert limit.take(75 * GB, "ann") == POLICY | {"RateLimit": '"uploads";r=25000000000;t=64800'}
    assert 0 < client.pttl(keys.uploads("ann")) <= 64_800_001
    problem = refused(limit, 50 * GB)
    wait = int(problem.headers["Retry-After"])
    assert wait == pytest.approx(DAY / 4, abs=60)
    assert f"room for 50,000,000,000 in {wait} s" in problem.detail
    pass_by(client, keys, wait)
    limit.take(50 * GB, "ann")
    refused(limit, GB)
    limit.take(PER_DAY, "ben")


@pytest.mark.parametrize("per_day", [SMALLEST, 58_570_562_313_141, 100 * 1024**4])
def test_all_of_a_day_is_let_in_and_not_a_file_more(client: redis.Redis, keys: Keys, per_day: int) -> None:
    limit = limit_of(client, keys, per_day)
    client.set(keys.uploads("ann"), 1)  # full since 1970
    limit.take(per_day, "ann")
    pass_by(client, keys, -1)  # so that nothing comes back while this runs
    refused(limit, SMALLEST)


def test_a_file_counts_for_a_megabyte_at_least(client: redis.Redis, keys: Keys) -> None:
    limit = limit_of(client, keys, 3 * SMALLEST)
    for size in (0, 1, SMALLEST):
        limit.take(size, "ann")
    refused(limit, 0)


def test_where_a_day_has_less_than_a_megabyte_one_file_takes_all_of_it(
    client: redis.Redis, keys: Keys
) -> None:
    limit = limit_of(client, keys, 1000)
    limit.take(5, "ann")
    refused(limit, 5)


def test_what_is_refused_does_not_count(limit: UploadLimit) -> None:
    limit.take(60 * GB, "ann")
    for _ in range(3):
        refused(limit, 60 * GB)
    limit.take(40 * GB, "ann")


def test_nobody_and_no_limit_are_let_in_and_cost_nothing(client: redis.Redis, keys: Keys) -> None:
    limit, off = limit_of(client, keys, SMALLEST), limit_of(client, keys, 0)
    for _ in range(3):
        assert limit.take(10**15, None) == limit.take(10**15, "") == off.take(10**15, "ann") == {}
    assert client.keys(f"{keys.prefix}:*") == []


@pytest.mark.parametrize("text", ["x", "", "inf", "nan", "-5", "1e30"])
def test_what_was_planted_keeps_nobody_out(
    limit: UploadLimit, client: redis.Redis, keys: Keys, text: str
) -> None:
    client.set(keys.uploads("ann"), text)
    limit.take(PER_DAY, "ann")
    client.delete(keys.uploads("ann"))
    client.hset(keys.uploads("ann"), "x", "x")
    limit.take(PER_DAY, "ann")


def test_a_clock_that_was_set_back_keeps_nobody_out_for_longer_than_a_day(
    limit: UploadLimit, client: redis.Redis, keys: Keys
) -> None:
    limit.take(GB, "ann")
    pass_by(client, keys, -10 * DAY)
    problem = refused(limit, GB)
    assert int(problem.headers["Retry-After"]) == DAY // 100
    assert problem.headers["RateLimit"] == '"uploads";r=0;t=86400'
