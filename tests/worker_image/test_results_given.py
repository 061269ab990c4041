"""Other jobs' results as arguments, run by a real pool."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.job import RUN, Job, JobStatus, Submission
from coatcheck.keys import Keys
from tests.support.polling import eventually
from tests.support.processes import PoolProcess


def make(task: str, arguments: dict[str, Any], *after: Submission, **options: Any) -> Submission:
    ids = tuple(each.id for each in after)
    return Submission(task, arguments, "default", 60, 600, after=ids, **options)


def given(job: Submission, pointer: str | None = None) -> dict[str, Any]:
    return {"$result": job.id} | ({} if pointer is None else {"pointer": pointer})


@pytest.fixture
def ended(adapter: QueueAdapter, start_pool: Callable[..., PoolProcess]) -> Callable[..., Job]:
    """Starts a pool, submits jobs, and returns how the last one ended."""
    start_pool()

    def run(*submissions: Submission) -> Job:
        adapter.submit(list(submissions))

        def over() -> Job | None:
            job = adapter.get(submissions[-1].id)
            return job if job.ended else None

        return eventually(over, what="the last one ends")

    return run


def test_results_take_their_places_at_any_depth(ended: Callable[..., Job]) -> None:
    table = make("odd.echo", {"value": {"rows": [1, {"a/b": [2]}]}})
    number = make("odd.add", {"left": 40})
    wants = {"whole": given(table), "parts": [given(table, "/rows/1/a~1b/0"), 5, given(number, "")]}
    last = ended(table, number, make("odd.echo", {"value": wants}, table, number))
    assert last.result == {"whole": {"rows": [1, {"a/b": [2]}]}, "parts": [2, 5, 42]}
    assert last.arguments == {"value": wants}, "what was submitted is what is shown"


def test_a_chain_of_results_and_an_async_task(ended: Callable[..., Job]) -> None:
    one = make("odd.add", {"left": 1, "right": 0})
    two = make("odd.add", {"left": given(one), "right": given(one)}, one)
    wait = make("odd.asynchronous", {"seconds": given(two, "")}, two)
    assert ended(one, two, wait).result == "awaited"


def test_a_result_that_does_not_fit_fails_with_its_place(ended: Callable[..., Job]) -> None:
    text = make("odd.echo", {"value": "many"})
    last = ended(text, make("odd.add", {"left": given(text)}, text))
    assert last.status is JobStatus.FAILED
    assert last.error and last.error.type == "ArgumentsError" and "/left" in last.error.message


def test_a_place_that_a_result_does_not_have_is_named(ended: Callable[..., Job]) -> None:
    text = make("odd.echo", {"value": {"rows": []}})
    last = ended(text, make("odd.add", {"left": given(text, "/rows/0")}, text))
    assert last.status is JobStatus.FAILED
    assert last.error and last.error.type == "ArgumentsError"
    assert "/left" in last.error.message and "/rows/0" in last.error.message


def test_a_job_that_runs_all_the_same_misses_the_result(ended: Callable[..., Job]) -> None:
    fails = make("odd.add", {"left": "many"})
    last = ended(fails, make("odd.echo", {"value": given(fails)}, fails, if_failed=RUN))
    assert last.status is JobStatus.FAILED
    assert last.error and last.error.type == "MissingResult" and "failed" in last.error.message
    other = ended(fails, make("odd.echo", {"value": "all the same"}, fails, if_failed=RUN))
    assert other.result == "all the same"


def test_nothing_is_given_of_a_job_that_it_does_not_come_after(ended: Callable[..., Job]) -> None:
    secret, other = make("odd.echo", {"value": "secret"}), make("odd.echo", {"value": 1})
    ended(secret)
    last = ended(other, make("odd.echo", {"value": given(secret)}, other))
    assert last.error and last.error.type == "MissingResult"
    plain = ended(make("odd.echo", {"value": given(secret)}))
    assert plain.result == given(secret), "without dependencies it is a value like any other"


def test_a_result_that_is_gone_is_missed(
    adapter: QueueAdapter,
    start_pool: Callable[..., PoolProcess],
    client: redis.Redis,
    keys: Keys,
) -> None:
    first = make("odd.echo", {"value": 1})
    last = make("odd.echo", {"value": given(first)}, first)
    with_pool = start_pool()
    adapter.submit([first])
    eventually(lambda: adapter.get(first.id).ended)
    client.delete(keys.results(first.id))
    adapter.submit([last])
    eventually(lambda: adapter.get(last.id).ended)
    error = adapter.get(last.id).error
    assert error and error.type == "MissingResult" and "not kept" in error.message
    assert with_pool.process.poll() is None
