"""Options of a submission: queue, delay, at, timeout."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import redis

from coatcheck.job import format_time, parse_time, utcnow
from coatcheck.keys import Keys
from tests.functions.client import Api

TASK = "/tasks/examples.short_task"


def due_in(job: dict[str, str]) -> float:
    """In how many seconds a job is due."""
    return (parse_time(job["scheduled_for"]) - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1h1m1s", 3661), ("2d", 172800), ("5M", 300)],
)
def test_a_delay_schedules_the_job(api: Api, delay: str, seconds: int) -> None:
    reply = api.post(f"{TASK}?delay={delay}", {})
    assert reply.json["status"] == "scheduled"
    assert seconds - 30 < due_in(reply.json) <= seconds
    assert reply.headers["retry-after"] == str(min(seconds, 60))


def test_a_delay_of_zero_is_none(api: Api) -> None:
    assert api.post(f"{TASK}?delay=0", {}).json["status"] == "queued"


@pytest.mark.parametrize(
    "delay", ["", "-1", "soon", "1.5.2", "m", "5m1h", "366d", "9" * 30, "１", "1e3", "NaN"]
)
def test_a_delay_that_makes_no_sense_is_refused(api: Api, delay: str) -> None:
    reply = api.post(f"{TASK}?delay={quote(delay)}", {})
    assert reply.is_problem(400, "invalid-request")
    assert list(reply.errors) == ["?delay"]


def test_a_time_schedules_the_job(api: Api) -> None:
    at = format_time(utcnow() + timedelta(hours=2))
    assert api.post(f"{TASK}?at={at}", {}).json["scheduled_for"] == at


@pytest.mark.parametrize("zone", ["%2B02:00", "+02:00"])
def test_a_time_s_zone_may_have_a_plus_that_is_not_encoded(api: Api, zone: str) -> None:
    local = (utcnow() + timedelta(hours=4)).strftime("%Y-%m-%dT%H:%M:%S")
    assert 7190 <= due_in(api.post(f"{TASK}?at={local}{zone}", {}).json) <= 7200


def test_a_time_with_nanoseconds_is_read(api: Api) -> None:
    at = (utcnow() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
    assert api.post(f"{TASK}?at={at}.123456789z", {}).json["scheduled_for"] == f"{at}.123456Z"


def test_a_time_that_is_past_means_now(api: Api) -> None:
    assert api.post(f"{TASK}?at=2020-01-01T00:00:00Z", {}).json["status"] == "queued"


@pytest.mark.parametrize(
    "at",
    [
        "tomorrow",
        "2030-01-01",
        "2030-01-01T00:00:00",
        "20300101T000000Z",
        "2030-02-30T00:00:00Z",
        "2030-01-01T25:00:00Z",
        "2030-01-01T00:00:00%2B99:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_a_time_that_makes_no_sense_is_refused(api: Api, at: str) -> None:
    reply = api.post(f"{TASK}?at={at}", {})
    assert reply.is_problem(400, "invalid-request"), reply
    assert list(reply.errors) == ["?at"]


def test_delay_and_time_together_are_refused(api: Api) -> None:
    reply = api.post(f"{TASK}?delay=1&at=2020-01-01T00:00:00Z", {})
    assert reply.is_problem(400, "invalid-request")
    assert "delay" in reply.errors["?at"]


@pytest.mark.parametrize(("timeout", "seconds"), [("1", b"1"), ("5m", b"300"), ("86400", b"86400")])
def test_a_timeout_goes_with_the_job(
    api: Api, client: redis.Redis, keys: Keys, timeout: str, seconds: bytes
) -> None:
    job = api.post(f"{TASK}?timeout={timeout}", {}).json
    assert client.hget(keys.job(job["id"]), "timeout") == seconds


@pytest.mark.parametrize("timeout", ["0", "86401", "-5", "", "x"])
def test_a_timeout_out_of_bounds_is_refused(api: Api, timeout: str) -> None:
    reply = api.post(f"{TASK}?timeout={timeout}", {})
    assert reply.is_problem(400, "invalid-request")
    assert list(reply.errors) == ["?timeout"]


def test_a_queue_can_be_chosen(api: Api, client: redis.Redis, keys: Keys) -> None:
    job = api.post(f"{TASK}?queue=other", {}).json
    assert client.lrange(keys.queue("other"), 0, -1) == [job["id"].encode()]


@pytest.mark.parametrize("queue", ["nowhere", "", "default:intermediate"])
def test_a_queue_that_nobody_serves_is_refused_with_those_that_exist(api: Api, queue: str) -> None:
    reply = api.post(f"{TASK}?queue={queue}", {})
    assert reply.is_problem(400, "invalid-request")
    assert reply.errors == {"?queue": "should be one of default, other, reports"}


def test_every_wrong_option_is_named(api: Api) -> None:
    reply = api.post(f"{TASK}?queue=x&delay=x&timeout=x", {})
    assert set(reply.errors) == {"?queue", "?delay", "?timeout"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", TASK),
        ("GET", "/tasks"),
        ("GET", "/jobs"),
        ("GET", "/queues"),
        ("GET", "/health"),
        ("POST", "/jobs"),
    ],
)
def test_an_unknown_parameter_is_refused_by_name(api: Api, method: str, path: str) -> None:
    reply = api.request(method, f"{path}?dealy=5m", "{}")
    assert reply.is_problem(400, "invalid-request")
    assert reply.errors == {"?dealy": "is not known"}


def test_a_parameter_given_twice_is_refused(api: Api) -> None:
    reply = api.post(f"{TASK}?delay=1&delay=2", {})
    assert reply.is_problem(400, "invalid-request")
    assert reply.errors == {"?delay": "is given twice"}
