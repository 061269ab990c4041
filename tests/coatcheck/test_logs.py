"""A job's log, read piece by piece."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from coatcheck import logs
from coatcheck.adapter import LogPage, QueueAdapter
from coatcheck.errors import InvalidRequestError, UnknownJobError
from coatcheck.job import Job, new_job_id
from coatcheck.keys import Keys
from tests.coatcheck.conftest import WorkerByHand

Submit = Callable[..., Job]


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
    worker.report(*run, "", cut=True)
    page = adapter.log(job.id)
    assert (page.text, page.cut, page.ended) == ("kept", True, False)


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
