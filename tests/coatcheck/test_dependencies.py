"""Jobs that come after others: when they begin, what they share with those that fail, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text
from coatcheck.errors import (
    ConflictError,
    InvalidArgumentsError,
    QueueFullError,
    UnknownDependencyError,
    UnknownJobError,
)
from coatcheck.job import CANCEL, RUN, Job, Submission, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.scopes import Access
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.support.invariants import violations
from worker_image.janitor import Janitor


def make(*after: Submission | Job | str, **options: Any) -> Submission:
    ids = tuple(each if isinstance(each, str) else each.id for each in after)
    return Submission("t", {}, "default", 60, 600, after=ids, **options)


@pytest.fixture
def status(adapter: QueueAdapter) -> Callable[..., list[str]]:
    """The statuses of jobs, in their order."""
    return lambda *jobs: [str(adapter.get(job.id).status) for job in jobs]


Statuses = Callable[..., list[str]]


def test_a_chain_runs_one_after_another(
    adapter: QueueAdapter, worker: WorkerByHand, status: Statuses, client: redis.Redis, keys: Keys
) -> None:
    first = make()
    second = make(first)
    third = make(second)
    jobs = adapter.submit([third, second, first])
    assert [job.status for job in jobs] == ["deferred", "deferred", "queued"]
    assert [job.after for job in jobs] == [(second.id,), (first.id,), ()]
    assert [job.if_failed for job in jobs] == [CANCEL, CANCEL, None]
    assert status(first, second, third) == ["queued", "deferred", "deferred"]
    for each in (first, second, third):
        assert violations(client, keys.prefix) == []
        assert worker.run() == each.id
    assert status(first, second, third) == ["finished"] * 3
    assert violations(client, keys.prefix) == []


def test_the_same_worker_begins_what_it_set_free_in_the_same_step(
    adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    first = make()
    second = make(first)
    adapter.submit([first, second])
    job_id, execution = worker.begin()
    worker.end(job_id, execution, following="next")
    assert worker.next == second.id


def test_a_diamond_waits_for_all(adapter: QueueAdapter, worker: WorkerByHand, status: Statuses) -> None:
    top = make()
    left, right = make(top), make(top)
    bottom = make(left, right)
    adapter.submit([top, left, right, bottom])
    worker.run()
    assert status(left, right, bottom) == ["queued", "queued", "deferred"]
    worker.run()
    assert status(bottom) == ["deferred"]
    worker.run()
    assert status(bottom) == ["queued"]


def test_those_set_free_together_keep_their_order(adapter: QueueAdapter, worker: WorkerByHand) -> None:
    top = make()
    others = [make(top) for _ in range(200)]
    adapter.submit([top, *others])
    worker.run()
    assert [worker.run() for _ in others] == [each.id for each in others]


@pytest.mark.parametrize("outcome", ["failed", "stopped"])
def test_what_comes_after_a_failure_is_canceled_down_to_the_last(
    outcome: str,
    adapter: QueueAdapter,
    worker: WorkerByHand,
    status: Statuses,
    client: redis.Redis,
    keys: Keys,
) -> None:
    first = make()
    second = make(first)
    third = make(second)
    adapter.submit([first, second, third])
    worker.run(outcome)
    assert status(first, second, third) == [outcome, "canceled", "canceled"]
    assert adapter.get(third.id).enqueued_at is None
    errors = [adapter.get(each.id).error for each in (second, third)]
    assert [error and error.type for error in errors] == ["DependencyFailed"] * 2
    assert [adapter.get(each.id).enqueued_at for each in (second, third)] == [None, None]
    causes = (first, second)
    assert all(error and cause.id in error.message for error, cause in zip(errors, causes, strict=True))
    assert violations(client, keys.prefix) == []


def test_an_attempt_that_is_followed_by_another_is_no_failure(
    adapter: QueueAdapter, worker: WorkerByHand, status: Statuses
) -> None:
    first = make(retries=1)
    second = make(first)
    adapter.submit([first, second])
    worker.run("failed")
    assert status(first, second) == ["queued", "deferred"]
    worker.run()
    assert status(second) == ["queued"]


@pytest.mark.parametrize("outcome", ["finished", "failed", "stopped"])
def test_what_is_to_run_all_the_same_does_once_all_have_ended(
    outcome: str, adapter: QueueAdapter, worker: WorkerByHand, status: Statuses
) -> None:
    one, other = make(), make()
    last = make(one, other, if_failed=RUN)
    adapter.submit([one, other, last])
    worker.run(outcome)
    assert status(last) == ["deferred"]
    worker.run("failed")
    assert status(last) == ["queued"]
    assert worker.run() == last.id


def test_canceling_one_cancels_what_comes_after_it(
    adapter: QueueAdapter, status: Statuses, client: redis.Redis, keys: Keys
) -> None:
    first = make()
    second = make(first)
    third, fourth = make(second), make(second, if_failed=RUN)
    adapter.submit([first, second, third, fourth])
    adapter.cancel(second.id)
    assert status(first, second, third, fourth) == ["queued", "canceled", "canceled", "queued"]
    assert adapter.get(second.id).error is None
    adapter.cancel(first.id)
    assert violations(client, keys.prefix) == []


@pytest.mark.parametrize("outcome", ["failed", "stopped"])
def test_after_a_retry_the_graph_goes_on_from_there(
    outcome: str,
    adapter: QueueAdapter,
    worker: WorkerByHand,
    status: Statuses,
    client: redis.Redis,
    keys: Keys,
) -> None:
    first, beside = make(), make()
    second = make(first, beside, retries=2)
    third = make(second)
    jobs = (first, beside, second, third)
    adapter.submit(list(jobs))
    worker.run(outcome)
    assert status(*jobs) == [outcome, "queued", "canceled", "canceled"]
    worker.run()
    assert client.ttl(keys.job(beside.id)) > 0, "what is canceled needs no result"
    adapter.retry(first.id)
    assert status(*jobs) == ["queued", "finished", "deferred", "deferred"]
    assert adapter.get(third.id).error is None
    assert client.ttl(keys.job(beside.id)) == -1
    assert violations(client, keys.prefix) == []
    worker.run()
    assert status(*jobs) == ["finished", "finished", "queued", "deferred"]
    assert worker.run() == second.id
    assert worker.run() == third.id
    assert status(*jobs) == ["finished"] * 4
    assert violations(client, keys.prefix) == []


def test_one_of_two_failures_retried_is_not_enough(
    adapter: QueueAdapter, worker: WorkerByHand, status: Statuses
) -> None:
    one, other = make(), make()
    last = make(one, other)
    adapter.submit([one, other, last])
    worker.run("failed")
    worker.run("failed")
    adapter.retry(other.id)
    assert status(last) == ["canceled"]
    adapter.retry(one.id)
    assert status(last) == ["deferred"]
    worker.run()
    worker.run()
    assert status(one, other, last) == ["finished", "finished", "queued"]


def test_what_a_client_canceled_does_not_come_back_with_another(
    adapter: QueueAdapter, worker: WorkerByHand, status: Statuses
) -> None:
    first = make()
    second = make(first)
    adapter.submit([first, second])
    adapter.cancel(second.id)
    worker.run("failed")
    adapter.retry(first.id)
    assert status(second) == ["canceled"]
    adapter.retry(second.id)
    assert status(second) == ["deferred"]
    worker.run()
    assert status(second) == ["queued"]


def test_what_has_begun_once_is_retried_though_nobody_knows_its_dependency_any_more(
    adapter: QueueAdapter, worker: WorkerByHand, status: Statuses, client: redis.Redis, keys: Keys
) -> None:
    first = make()
    second = make(first)
    adapter.submit([first, second])
    worker.run()
    worker.run("failed")
    client.delete(keys.job(first.id))
    adapter.retry(second.id)
    assert status(second) == ["queued"]


def test_a_job_can_not_be_retried_before_what_it_comes_after(
    adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    first = make()
    second = make(first)
    adapter.submit([first, second])
    worker.run("failed")
    with pytest.raises(ConflictError, match=f"{first.id}, which failed"):
        adapter.retry(second.id)


def test_a_job_that_ran_all_the_same_waits_for_a_retried_one_when_it_is_retried_too(
    adapter: QueueAdapter, worker: WorkerByHand, status: Statuses, client: redis.Redis, keys: Keys
) -> None:
    first = make()
    second = make(first, if_failed=RUN)
    adapter.submit([first, second])
    worker.run("failed")
    worker.run("failed")
    adapter.retry(first.id)
    adapter.retry(second.id)
    assert status(first, second) == ["queued", "deferred"]
    assert violations(client, keys.prefix) == []
    assert worker.run() == first.id
    assert status(second) == ["queued"]


@pytest.mark.parametrize(
    ("outcome", "if_failed", "expected"),
    [
        ("finished", CANCEL, "queued"),
        ("failed", CANCEL, "canceled"),
        ("failed", RUN, "queued"),
        ("stopped", RUN, "queued"),
    ],
)
def test_a_job_may_come_after_one_that_has_ended(
    outcome: str,
    if_failed: str,
    expected: str,
    adapter: QueueAdapter,
    worker: WorkerByHand,
    submit: Callable[..., Job],
    client: redis.Redis,
    keys: Keys,
) -> None:
    first = submit("t")
    worker.run(outcome)
    [job] = adapter.submit([make(first, if_failed=if_failed)])
    assert job.status == expected
    assert adapter.get(job.id) == job
    assert violations(client, keys.prefix) == []


def test_a_delay_begins_to_count_at_submission_and_ends_after_the_others(
    adapter: QueueAdapter, worker: WorkerByHand, status: Statuses, submit: Callable[..., Job]
) -> None:
    first = submit("t")
    due = utcnow() + timedelta(hours=1)
    past, future = make(first, at=utcnow() - timedelta(hours=1)), make(first, at=due)
    jobs = adapter.submit([past, future])
    assert [job.status for job in jobs] == ["deferred", "deferred"]
    assert adapter.get(future.id).scheduled_for == due
    worker.run()
    assert status(past, future) == ["queued", "scheduled"]
    assert adapter.get(future.id).scheduled_for == due


@pytest.mark.parametrize("number", [0, 1])
def test_a_job_that_is_not_there_is_refused_with_its_place(number: int, adapter: QueueAdapter) -> None:
    known = make()
    jobs = [known, make(known, new_job_id())]
    with pytest.raises(UnknownDependencyError) as refused:
        adapter.submit(jobs if number else [make(new_job_id()), known])
    assert (refused.value.job, refused.value.entry) == (number, number)
    assert refused.value.errors[0].pointer == f"/jobs/{number}/after/{number}"
    assert adapter.list().jobs == []


@pytest.mark.parametrize("length", [2, 3, 100])
def test_jobs_that_would_wait_for_each_other_are_refused(length: int, adapter: QueueAdapter) -> None:
    [before] = adapter.submit([make()])
    chain = [make(before.id)]
    while len(chain) < length:
        chain.append(make(before.id, chain[-1]))
    ring = [replace(chain[0], after=(before.id, chain[-1].id)), *chain[1:]]
    with pytest.raises(InvalidArgumentsError, match="wait for each other") as refused:
        adapter.submit(ring)
    [error] = refused.value.errors
    assert error.pointer in {f"/jobs/{number}/after/1" for number in range(length)}
    assert [job.id for job in adapter.list().jobs] == [before.id]
    assert len(adapter.submit(chain)) == length


def test_another_owners_job_is_as_if_there_were_none(
    adapter: QueueAdapter, submit: Callable[..., Job]
) -> None:
    theirs = submit("t", owner="ben")
    for access in (None, Access("ann"), Access("ben", ("other.*",))):
        with pytest.raises(UnknownDependencyError):
            adapter.submit([make(theirs, owner="ann")], access=access)
    assert len(adapter.submit([make(theirs, owner="ann")], access=Access())) == 1


def test_a_repeated_submission_links_nothing_twice(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, worker: WorkerByHand
) -> None:
    parent = make()
    adapter.submit([parent])
    first = make(parent=parent.id)
    jobs = [first, make(first, parent=parent.id)]
    batch = new_job_id()
    for _ in range(2):
        adapter.submit(jobs, batch=batch)
    assert adapter.get(parent.id).children == tuple(job.id for job in jobs)
    assert client.hget(keys.batch(batch), "open") == b"2"
    worker.run()
    worker.run()
    again = adapter.submit(jobs, batch=batch)
    assert [job.status for job in again] == ["queued", "queued"], "of the first it is not known any more"
    assert client.hget(keys.batch(batch), "open") == b"1"


def test_children_know_their_parent_and_it_knows_them(
    adapter: QueueAdapter, submit: Callable[..., Job]
) -> None:
    parent = submit("t")
    children = [make(parent=parent.id) for _ in range(3)]
    for child in children:
        [job] = adapter.submit([child])
        assert adapter.get(child.id).parent == job.parent == parent.id
    assert adapter.get(parent.id).children == tuple(child.id for child in children)
    adapter.submit([make(parent=parent.id) for _ in range(997)])
    with pytest.raises(ConflictError, match="1000"):
        adapter.submit([make(parent=parent.id)])
    with pytest.raises(UnknownJobError):
        adapter.submit([make(parent=new_job_id())])


def test_a_batch_is_kept_until_its_last_job_has_ended(
    adapter: QueueAdapter, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    batch, first = new_job_id(), make(owner="ann")
    jobs = adapter.submit([first, make(first, owner="ann")], batch=batch)
    assert {job.batch for job in jobs} == {batch}
    assert {adapter.get(job.id).batch for job in jobs} == {batch}
    kept = client.hgetall(keys.batch(batch))
    assert kept[b"owner"] == b"ann"
    assert as_text(kept[b"jobs"]).split(",") == [job.id for job in jobs]
    worker.run()
    assert client.ttl(keys.batch(batch)) == -1
    worker.run("failed")
    assert client.ttl(keys.batch(batch)) >= client.ttl(keys.job(jobs[1].id)) > 0
    adapter.retry(jobs[1].id)
    assert client.ttl(keys.batch(batch)) == -1
    worker.run()
    assert client.ttl(keys.batch(batch)) > 0


def test_a_result_is_kept_as_long_as_somebody_may_need_it(
    adapter: QueueAdapter, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    first = make()
    second, third = make(first, retries=1), make(first)
    adapter.submit([first, second, third])
    worker.run(result="precious")

    def lives() -> bool:
        return [client.ttl(key) for key in (keys.job(first.id), keys.results(first.id))] == [-1, -1]

    assert lives()
    worker.run("failed")
    assert lives(), "it is retried"
    worker.run()
    assert lives(), "the other one has not ended"
    worker.run()
    assert 0 < client.ttl(keys.job(first.id)) <= 600
    assert 0 < client.ttl(keys.results(first.id)) <= 600
    assert violations(client, keys.prefix) == []


def test_a_deferred_job_counts_as_waiting(
    client: redis.Redis, settings: Settings, adapter: QueueAdapter, keys: Keys
) -> None:
    limited = QueueAdapter(client, replace(settings, max_queued=2))
    first = make(owner="ann")
    limited.submit([first, make(first, owner="ann")])
    assert client.scard(keys.waiting("ann")) == 2
    with pytest.raises(QueueFullError):
        limited.submit([make()])


def test_more_than_a_step_may_do_is_done_by_a_janitor(
    adapter: QueueAdapter,
    worker: WorkerByHand,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
) -> None:
    first = make()
    many = [make(first) for _ in range(900)]
    adapter.submit([first, *many])
    worker.run()
    left = client.zcard(keys.unsettled)
    assert left > 0
    assert client.llen(keys.queue("default")) == 900 - left
    assert violations(client, keys.prefix) == []
    Janitor(client, settings, ["default"]).tick()
    assert client.llen(keys.queue("default")) == 900
    assert not client.exists(keys.unsettled)


def test_a_deep_cascade_comes_to_its_end(
    adapter: QueueAdapter, client: redis.Redis, settings: Settings, status: Statuses, keys: Keys
) -> None:
    chain = [make()]
    for _ in range(999):
        chain.append(make(chain[-1]))
    adapter.submit(chain)
    adapter.cancel(chain[0].id)
    Janitor(client, settings, ["default"]).tick()
    assert status(*chain[::111]) == ["canceled"] * 10
    adapter.retry(chain[0].id)
    Janitor(client, settings, ["default"]).tick()
    assert status(*chain[::111]) == ["queued"] + ["deferred"] * 9
    assert violations(client, keys.prefix) == []


def test_a_job_whose_dependency_was_deleted_is_canceled_by_a_janitor(
    adapter: QueueAdapter, client: redis.Redis, settings: Settings, status: Statuses, keys: Keys
) -> None:
    first = make()
    second = make(first)
    adapter.submit([first, second])
    client.delete(keys.job(first.id), keys.dependents(first.id))
    client.lrem(keys.queue("default"), 0, first.id)
    Janitor(client, settings, ["default"]).tick()
    assert status(second) == ["canceled"]
    error = adapter.get(second.id).error
    assert error is not None
    assert "is not kept any more" in error.message


def test_what_comes_after_a_job_that_is_deleted_while_it_runs_is_canceled_at_its_end(
    adapter: QueueAdapter, worker: WorkerByHand, client: redis.Redis, status: Statuses, keys: Keys
) -> None:
    first = make()
    second = make(first)
    adapter.submit([first, second])
    run = worker.begin()
    client.delete(keys.job(first.id))
    assert worker.end(*run) == "lost"
    assert status(second) == ["canceled"]
    assert not client.exists(keys.dependents(first.id))


def test_plain_jobs_leave_no_trace_of_dependencies(
    adapter: QueueAdapter, worker: WorkerByHand, client: redis.Redis, keys: Keys, submit: Callable[..., Job]
) -> None:
    submit("t")
    worker.run()
    names = {key.decode().removeprefix(keys.prefix) for key in client.scan_iter(f"{keys.prefix}*")}
    assert not [name for name in names if "depend" in name or "settle" in name or "batch" in name]
