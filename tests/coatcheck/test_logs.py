"""A job's log, read piece by piece."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from coatcheck import logs
from coatcheck.adapter import LogPage, QueueAdapter
from coatcheck.connection import connect
from coatcheck.errors import InvalidRequestError, UnknownJobError
from coatcheck.job import Job, Submission, new_job_id
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import load
from tests.coatcheck.conftest import WorkerByHand

Submit = Callable[..., Job]


@pytest.fixture(scope="module")
def fresh(redis_url: str) -> Callable[[], tuple[QueueAdapter, WorkerByHand]]:
    """A namespace that nobody uses, for each example of a property."""

    def fresh() -> tuple[QueueAdapter, WorkerByHand]:
        settings = replace(load({"REDIS_URL": redis_url}), namespace=f"t{uuid4().hex[:12]}")
        client = connect(settings, socket_timeout=10)
        scripts = Scripts(client, settings.prefix)
        return QueueAdapter(client, settings), WorkerByHand(client, Keys(settings.prefix), scripts)

    return fresh


def test_a_job_that_has_not_begun_has_an_empty_log_that_may_grow(
    adapter: QueueAdapter, submit: Submit
) -> None:
    assert adapter.log(submit("odd.talk").id) == LogPage("", "0-0", ended=False, cut=False)


def test_what_is_printed_is_read_once_from_cursor_to_cursor(
    adapter: QueueAdapter, submit: Submit, worker: WorkerByHand
) -> None:
    job = submit("odd.talk")
    run = worker.begin()
    worker.report(*run, "first\n")
    worker.report(*run, "sec")
    page = adapter.log(job.id)
    assert (page.text, page.ended, page.cut) == ("first\nsec", False, False)
    nothing_new = adapter.log(job.id, page.next)
    assert nothing_new == LogPage("", page.next, ended=False, cut=False)
    worker.report(*run, "ond ünï 🚀")
    worker.end(*run)
    last = adapter.log(job.id, nothing_new.next)
    assert (last.text, last.ended) == ("ond ünï 🚀", True)
    assert adapter.log(job.id, last.next) == LogPage("", last.next, ended=True, cut=False)
    assert adapter.log(job.id).text == adapter.log(job.id, "").text == "first\nsecond ünï 🚀"


@pytest.mark.parametrize("outcome", ["finished", "failed", "stopped", "canceled"])
def test_a_log_ends_with_its_job(
    outcome: str, adapter: QueueAdapter, submit: Submit, worker: WorkerByHand
) -> None:
    job = submit("odd.talk")
    assert not adapter.log(job.id).ended
    if outcome == "canceled":
        adapter.cancel(job.id)
    else:
        worker.run(outcome)
    assert adapter.log(job.id).ended
    if outcome != "finished":
        adapter.retry(job.id)
        assert not adapter.log(job.id).ended


def test_a_log_that_was_cut_says_so(adapter: QueueAdapter, submit: Submit, worker: WorkerByHand) -> None:
    job = submit("odd.talk")
    run = worker.begin()
    worker.report(*run, "kept")
    assert not adapter.log(job.id).cut
    worker.report(*run, "after what its worker dropped", cut=True)
    page = adapter.log(job.id)
    assert (page.text, page.cut, page.ended) == ("keptafter what its worker dropped", True, False)


def test_of_a_log_that_got_too_long_the_newest_is_kept(
    adapter: QueueAdapter, submit: Submit, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    worker.max_log = 80
    job = submit("odd.talk")
    run = worker.begin()
    worker.report(*run, "one " * 2)
    early = adapter.log(job.id)
    worker.report(*run, "two " * 18)
    late = adapter.log(job.id, early.next)
    assert (late.text, late.cut) == ("two " * 18, False)
    worker.report(*run, "three")
    page = adapter.log(job.id)
    assert (page.text, page.cut) == ("two " * 18 + "three", True)
    assert adapter.log(job.id, early.next) == replace(page, cut=False), "it had seen what was dropped"
    assert adapter.log(job.id, late.next).cut is False
    worker.report(*run, "x" * 70)
    page = adapter.log(job.id, early.next)
    assert (page.text, page.cut) == ("o three" + "x" * 70, True), "it had not seen all that was dropped"
    assert client.hget(keys.job(job.id), "log_size") == b"77"
    worker.end(*run)
    assert adapter.log(job.id).text == "o three" + "x" * 70


@given(st.lists(st.text(min_size=1, max_size=60), max_size=12), st.integers(32, 200))
def test_a_log_is_always_an_end_of_what_was_printed_and_no_character_is_broken(
    fresh: Callable[[], tuple[QueueAdapter, WorkerByHand]], texts: list[str], limit: int
) -> None:
    adapter, worker = fresh()
    (job,) = adapter.submit([Submission("odd.talk", {}, "default", 60, 600)])
    worker.max_log = limit
    run = worker.begin()
    for text in texts:
        # As a worker sends it: no piece is longer than the log.
        worker.report(*run, text.encode("utf-8", "ignore")[-limit:].decode("utf-8", "ignore"))
    printed = "".join(text.encode("utf-8", "ignore")[-limit:].decode("utf-8", "ignore") for text in texts)
    page = adapter.log(job.id)
    size = len(printed.encode())
    kept = len(page.text.encode())
    assert printed.endswith(page.text)
    assert kept <= limit and page.cut == (kept < size)
    assert kept == size or kept > limit - math.ceil(limit / 8) - 1


def test_ten_thousand_small_pieces_make_room_for_a_large_one(
    adapter: QueueAdapter, submit: Submit, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    job = submit("odd.talk")
    run = worker.begin()
    pipeline = client.pipeline(transaction=False)
    for number in range(10_000):
        pipeline.xadd(keys.log(job.id), {"t": f"{number % 10}"}, id=f"1-{number + 1}")
    pipeline.execute()
    client.hset(keys.job(job.id), "log_size", 10_000)
    worker.max_log = 10_000
    worker.report(*run, "y" * 9_990)
    assert adapter.log(job.id).text == "0123456789" + "y" * 9_990


def test_a_log_goes_on_when_the_job_runs_again_and_has_one_limit(
    adapter: QueueAdapter, submit: Submit, worker: WorkerByHand
) -> None:
    worker.max_log = 80
    job = submit("odd.talk")
    run = worker.begin()
    worker.report(*run, "a" * 50)
    worker.end(*run, "failed")
    adapter.retry(job.id)
    worker.pieces = 0
    worker.report(*worker.begin(), "b" * 50)
    assert adapter.log(job.id).text == "a" * 30 + "b" * 50


def test_a_long_log_comes_in_pages_and_has_not_ended_before_the_last(
    adapter: QueueAdapter, submit: Submit, worker: WorkerByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "CHUNKS", 2)
    job = submit("odd.talk")
    run = worker.begin()
    for number in range(4):
        worker.report(*run, f"{number}\n")
    worker.end(*run)
    first = adapter.log(job.id)
    assert (first.text, first.ended) == ("0\n1\n", False)
    second = adapter.log(job.id, first.next)
    assert (second.text, second.ended) == ("2\n3\n", False)
    assert adapter.log(job.id, second.next) == LogPage("", second.next, ended=True, cut=False)


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "0",
        "-",
        "+",
        "$",
        "0-",
        "-0",
        "0-0-0",
        "(0-0",
        "0-*",
        " 0-0",
        "0-0\n",
        "1.5-0",
        "-1-0",
        "99999999999999999999-0",
        "0-99999999999999999999",
        "18446744073709551615-18446744073709551615",
        "\u0661-\u0661",
    ],
)
def test_a_cursor_that_no_page_gave_is_refused(cursor: str, adapter: QueueAdapter, submit: Submit) -> None:
    with pytest.raises(InvalidRequestError, match="cursor"):
        adapter.log(submit("odd.talk").id, cursor)


@pytest.mark.parametrize("cursor", ["9999999999999999999-9999999999999999999", "0000000000000000001-0"])
def test_a_cursor_beyond_the_end_finds_nothing(cursor: str, adapter: QueueAdapter, submit: Submit) -> None:
    assert adapter.log(submit("odd.talk").id, cursor) == LogPage("", cursor, ended=False, cut=False)


def test_bytes_that_are_no_text_do_no_harm(
    adapter: QueueAdapter, submit: Submit, client: redis.Redis, keys: Keys
) -> None:
    job = submit("odd.talk")
    client.xadd(keys.log(job.id), {"t": b"a\xffb"})
    client.xadd(keys.log(job.id), {"other": b"c"})
    client.hset(keys.job(job.id), "status", b"\xff")
    page = adapter.log(job.id)
    assert (page.text, page.ended) == ("a\N{REPLACEMENT CHARACTER}b", False)


def test_a_log_of_no_job_is_unknown(adapter: QueueAdapter, client: redis.Redis, keys: Keys) -> None:
    job_id = new_job_id()
    client.xadd(keys.log(job_id), {"t": "left over"})
    with pytest.raises(UnknownJobError):
        adapter.log(job_id)
