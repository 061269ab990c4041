"""``?wait=`` and ``Prefer: wait=``: answers that come at the job's end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import waiting
from chalicelib.context import Context
from chalicelib.requests import Request
from coatcheck.adapter import QueueAdapter
from coatcheck.errors import UnavailableError, UnknownJobError
from coatcheck.keys import Keys
from tests.functions.client import Api, Reply
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

TASK = "/tasks/examples.short_task"


@pytest.fixture
def worker(start_pool: Callable[..., PoolProcess]) -> PoolProcess:
    """A real worker for the shipped tasks."""
    return start_pool(COATCHECK_TASKS="worker_image.tasks")


@pytest.fixture
def waiters(client: redis.Redis, keys: Keys) -> Callable[[], int]:
    """How many requests wait."""
    return lambda: len(client.pubsub_channels(keys.waiter("*")))


def meanwhile(ask: Callable[[], Reply]) -> Future[Reply]:
    """Asks in a thread."""
    pool = ThreadPoolExecutor(1)
    found = pool.submit(ask)
    pool.shutdown(wait=False)
    return found


def test_a_submission_that_waits_brings_the_result(api: Api, worker: PoolProcess) -> None:
    reply = api.post(TASK, {}, prefer="wait=25")
    assert (reply.status, reply.json["result"]) == (200, "Slept 1 second.")
    assert reply.headers["preference-applied"] == "wait=25"
    assert reply.headers["location"] == reply.json["links"]["self"]
    assert reply.headers["cache-control"] == "no-store"
    assert "retry-after" not in reply.headers


def test_any_end_is_an_end(api: Api, worker: PoolProcess) -> None:
    reply = api.post("/tasks/examples.task_raises_error?wait=25", {})
    assert (reply.status, reply.json["status"]) == (200, "failed")
    assert "preference-applied" not in reply.headers  # it was no preference


def test_a_submission_that_waits_in_vain_is_accepted_as_ever(api: Api) -> None:
    reply = api.post(TASK, {}, prefer="respond-async, wait=1")
    assert (reply.status, reply.json["status"]) == (202, "queued")
    assert reply.headers["preference-applied"] == "wait=1"
    assert reply.headers["retry-after"] == "0"
    assert reply.headers["location"] == reply.json["links"]["self"]


@pytest.mark.parametrize("how", ["query", "header"])
def test_a_look_that_waits_comes_back_at_the_end(
    api: Api, adapter: QueueAdapter, waiters: Callable[[], int], how: str
) -> None:
    job = api.post(TASK, {}).json
    address = job["links"]["self"]
    headers = {"prefer": "wait=20"} if how == "header" else {}
    found = meanwhile(lambda: api.get(address + ("?wait=20" if how == "query" else ""), **headers))
    eventually(lambda: waiters() == 1)
    adapter.cancel(job["id"])
    reply = found.result(30)
    assert (reply.status, reply.json["status"]) == (200, "canceled")
    assert "retry-after" not in reply.headers and reply.headers["etag"]
    assert reply.headers.get("preference-applied") == ("wait=20" if how == "header" else None)


def test_a_look_that_waits_in_vain_may_be_repeated_at_once(api: Api) -> None:
    address = api.post(TASK, {}).headers["location"]
    reply = api.get(f"{address}?wait=1")
    assert (reply.status, reply.json["status"], reply.headers["retry-after"]) == (200, "queued", "0")
    unchanged = api.get(f"{address}?wait=1", if_none_match=reply.headers["etag"])
    assert (unchanged.status, unchanged.body, unchanged.headers["retry-after"]) == (304, "", "0")


def test_a_job_that_is_due_later_says_when(api: Api) -> None:
    reply = api.post(f"{TASK}?delay=1h&wait=1", {})
    assert (reply.status, reply.headers["retry-after"]) == (202, "60")


def test_what_is_over_or_unknown_is_not_waited_for(
    api: Api, adapter: QueueAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = api.post(TASK, {}).json
    adapter.cancel(job["id"])
    monkeypatch.setattr(adapter.waiters, "wait", pytest.fail)
    assert api.get(f"{job['links']['self']}?wait=20").status == 200
    assert api.get(f"/jobs/{'0' * 36}?wait=20").is_problem(404, "unknown-job")


def test_where_waiting_is_off_the_answer_comes_at_once(api: Api, change: Callable[..., None]) -> None:
    change(max_wait=0)
    reply = api.post(TASK, {}, prefer="wait=20")
    assert (reply.status, reply.headers["retry-after"]) == (202, "1")
    assert "preference-applied" not in reply.headers


def test_where_no_seat_is_free_the_answer_comes_at_once(
    api: Api, change: Callable[..., None], adapter: QueueAdapter, waiters: Callable[[], int]
) -> None:
    change(wait_seats=1)
    job = api.post(TASK, {}).json
    address = f"{job['links']['self']}?wait=20"
    found = meanwhile(lambda: api.get(address))
    eventually(lambda: waiters() == 1)
    for reply in (api.get(address), api.get(job["links"]["self"], prefer="wait=20")):
        assert (reply.status, reply.json["status"], reply.headers["retry-after"]) == (200, "queued", "1")
        assert "preference-applied" not in reply.headers
    adapter.cancel(job["id"])
    assert found.result(30).json["status"] == "canceled"


@pytest.mark.parametrize("error", [UnavailableError("away"), UnknownJobError("kept for a moment only")])
def test_an_accepted_job_is_told_whatever_happens_while_waiting(
    api: Api, adapter: QueueAdapter, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(adapter.waiters, "wait", fail)
    reply = api.post(TASK, {}, prefer="wait=20")
    assert (reply.status, reply.json["status"], reply.headers["retry-after"]) == (202, "queued", "1")
    assert "preference-applied" not in reply.headers


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1e3", "5s", "%D9%A3", "%205", "5%0A", "1" * 10])
def test_a_malformed_parameter_is_refused_before_anything_is_submitted(api: Api, text: str) -> None:
    for reply in (api.post(f"{TASK}?wait={text}", {}), api.get(f"/jobs/{'0' * 36}?wait={text}")):
        assert reply.is_problem(400, "invalid-request")
        assert reply.errors.keys() == {"?wait"}
    assert api.get("/jobs").json["jobs"] == []


def test_idempotency_does_not_look_at_the_wait(api: Api, adapter: QueueAdapter) -> None:
    first = api.post(TASK, {}, idempotency_key="k", prefer="wait=1")
    adapter.cancel(first.json["id"])
    again = api.post(f"{TASK}?wait=20", {}, idempotency_key="k")
    assert again.status == 200, again
    assert (again.status, again.json["id"], again.json["status"]) == (200, first.json["id"], "canceled")


def wish(context: Context, prefer: str, seconds: float = 100) -> float:
    """What that header means for a request that has so many seconds left."""
    request = Request("GET", "/", "", {}, {}, {"prefer": prefer}, b"", lambda: seconds)
    return waiting.wish(request, context).seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=7", 7),
        ("WAIT=7", 7),
        ('wait="7"', 7),
        ("wait = 7", 7),
        ("respond-async,wait=7", 7),
        ("wait=7; strict; note=1, handling=lenient", 7),
        ('foo="wait=3, wait=4"; bar="\\"wait=5", wait=7', 7),
        ("wait=7, wait=9", 7),
        ("wait=x, wait=7", 0),
        ("wait", 0),
        ("wait=", 0),
        ("wait=-1", 0),
        ("wait=1.5", 0),
        ('wait="7', 0),
        ("waiting=7", 0),
        ("no-wait=7", 0),
        ("", 0),
        ("wait=0", 0),
        ("wait=999999999", 25),
        ("wait=9999999999", 0),
    ],
)
def test_the_header_is_read_as_rfc_7240_says(context: Context, header: str, seconds: int) -> None:
    assert wish(context, header) == seconds


@given(header=st.text(max_size=200) | st.text(alphabet='wait=,;" \\07-', max_size=50))
def test_no_header_is_an_error(header: str) -> None:
    seconds = waiting._preference(header)
    assert seconds is None or seconds.isdecimal()


@pytest.mark.timeout(30)
def test_a_long_header_is_read_in_no_time() -> None:
    for piece in ('wait="', "a" * 9, ",", "=", '"\\', ";", " ", "wait = "):
        assert waiting._preference(piece * 2_000) is None


def test_the_wait_ends_before_the_time_for_the_answer(context: Context) -> None:
    assert 3 < wish(context, "wait=20", 7) <= 4
    assert wish(context, "wait=20", 2) == 0
    assert wish(context, "wait=20", -5) == 0


@pytest.mark.parametrize(
    ("age", "seconds", "least", "most"),
    [(0, 28, 20, 25), (10, 28, 10, 16), (60, 28, 0, 0), (-60, 28, 20, 25), (0, 6, 0, 3), (None, 28, 20, 25)],
    ids=["new", "after a cold start", "long ago", "clocks that differ", "Lambda ends it", "no gateway"],
)
def test_a_request_knows_how_long_it_may_take(
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    age: int | None,
    seconds: int,
    least: float,
    most: float,
) -> None:
    wishes: list[waiting.Wish] = []
    told = waiting.wish

    def listen(request: Request, context: Context) -> waiting.Wish:
        wishes.append(told(request, context))
        return waiting.Wish()

    monkeypatch.setattr(waiting, "wish", listen)
    api.seconds = seconds
    api.received = None if age is None else int((datetime.now(UTC).timestamp() - age) * 1000)
    api.get(f"/jobs/{'0' * 36}?wait=60")
    assert least <= wishes[0].seconds <= most
