"""A batch: what it tells of its jobs, to whom, and how it is canceled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis

from coatcheck import batches
from coatcheck.adapter import QueueAdapter
from coatcheck.batches import CANCEL_AT_ONCE, Batch, cancel_jobs
from coatcheck.doctor import examine
from coatcheck.errors import ConflictError, ForbiddenError, UnknownBatchError
from coatcheck.job import Job, JobStatus, Progress, Submission, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.scopes import Access
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand, plant_batch


def orders(count: int, owner: str | None = None, task: str = "odd.add") -> list[Submission]:
    return [Submission(task, {"left": number}, "default", 60, 600, owner=owner) for number in range(count)]


def submitted(adapter: QueueAdapter, count: int, **options: Any) -> tuple[str, list[Job]]:
    batch = new_job_id()
    return batch, adapter.submit(orders(count, **options), batch=batch)


def test_it_tells_of_its_jobs_in_one_round_trip(adapter: QueueAdapter, sent: list[bytes]) -> None:
    batch, jobs = submitted(adapter, 3)
    adapter.batch(batch)
    sent.clear()
    found = adapter.batch(batch)
    assert len(sent) == 1
    assert (found.id, found.owner, found.total) == (batch, None, 3)
    assert found.created_at == jobs[0].created_at
    assert [job.id for job in found.jobs] == [job.id for job in jobs]
    assert {job.batch for job in found.jobs} == {batch}


def test_it_follows_its_jobs(adapter: QueueAdapter, worker: WorkerByHand) -> None:
    batch, _ = submitted(adapter, 2)
    seen = [adapter.batch(batch)]
    for _ in range(2):
        job_id, execution = worker.begin()
        seen.append(adapter.batch(batch))
        worker.end(job_id, execution)
        seen.append(adapter.batch(batch))
    assert [each.counts for each in seen] == [
        {"queued": 2},
        {"queued": 1, "started": 1},
        {"queued": 1, "finished": 1},
        {"started": 1, "finished": 1},
        {"finished": 2},
    ]
    assert [each.status.value for each in seen] == [*["running"] * 4, "finished"]
    assert [each.progress for each in seen] == [0, 0, 0.5, 0.5, 1]


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three jobs a batch tells one by one, and counts four more at a time."""
    monkeypatch.setattr(batches, "SHOWN", 3)
    monkeypatch.setattr(batches, "COUNT_AT_ONCE", 4)


@pytest.mark.usefixtures("in_pieces")
@pytest.mark.parametrize("access", [Access(), Access("ann", ("odd.*",))])
def test_of_a_large_one_the_first_jobs_are_told_and_the_others_counted_in_pieces(
    access: Access,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    worker: WorkerByHand,
    sent: list[bytes],
) -> None:
    batch, jobs = submitted(adapter, 12, owner="ann")
    for outcome in ("finished", "failed", "finished", "finished", "failed"):
        worker.run(outcome)
    half, odd, unknown = (worker.begin()[0] for _ in range(3))
    client.hset(keys.job(half), "progress", '[0.5, "half of it"]')
    client.hset(keys.job(odd), "progress", "much")
    client.hset(keys.job(unknown), "status", "new")
    client.delete(keys.job(jobs[-1].id))
    adapter.batch(batch)
    sent.clear()
    found = adapter.batch(batch, access)
    assert len(sent) == 1 + 3, "three, and then four, four and one"
    assert [job.id for job in found.jobs] == [job.id for job in jobs[:3]]
    assert (found.total, found.status.value) == (12, "running")
    assert found.counts == {"queued": 3, "started": 2, "finished": 3, "failed": 2}
    assert found.progress == round((12 - 3 - 2 + 0.5) / 12, 4)


@pytest.mark.usefixtures("in_pieces")
def test_what_became_of_a_large_one_follows_from_all_of_its_jobs(
    adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    batch, _ = submitted(adapter, 9)
    for _ in range(8):
        worker.run()
    assert adapter.batch(batch).status == "running"
    worker.run("failed")
    assert adapter.batch(batch).status == "failed"


@pytest.mark.usefixtures("in_pieces")
def test_one_job_of_another_task_or_owner_counts_wherever_it_is(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    batch, jobs = submitted(adapter, 9, owner="ann")
    client.hset(keys.job(jobs[8].id), "owner", "bob")
    assert adapter.batch(batch, Access("ann")).counts == {"queued": 8}
    client.hset(keys.job(jobs[7].id), "description", "other.task")
    for ask in (adapter.batch, adapter.cancel_batch):
        with pytest.raises(ForbiddenError, match=r"other\.task"):
            ask(batch, Access("ann", ("odd.*",)))


@pytest.mark.usefixtures("in_pieces")
def test_a_large_one_is_canceled_to_the_last(adapter: QueueAdapter) -> None:
    batch, jobs = submitted(adapter, 9)
    assert adapter.cancel_batch(batch).counts == {"canceled": len(jobs)}
    with pytest.raises(ConflictError, match="failed already"):
        adapter.cancel_batch(batch)


def job(status: JobStatus, fraction: float | None = None) -> Job:
    progress = None if fraction is None else Progress(fraction, "")
    return Job(new_job_id(), "odd.add", "default", status, {}, utcnow(), progress=progress)


@pytest.mark.parametrize(
    ("jobs", "status", "progress"),
    [
        ([job(JobStatus.FINISHED)], "finished", 1),
        ([job(JobStatus.FINISHED), job(JobStatus.FAILED)], "failed", 1),
        ([job(JobStatus.CANCELED)], "failed", 1),
        ([job(JobStatus.STOPPED), job(JobStatus.SCHEDULED)], "running", 0.5),
        ([job(JobStatus.STARTED, 0.5), job(JobStatus.DEFERRED)], "running", 0.25),
        ([job(JobStatus.STARTED, 7.0), job(JobStatus.QUEUED, 0.5)], "running", 0.5),
        ([], "finished", 1),
    ],
)
def test_what_it_says_follows_from_its_jobs(jobs: list[Job], status: str, progress: float) -> None:
    batch = Batch(new_job_id(), None, utcnow(), len(jobs), tuple(jobs))
    assert (batch.status.value, batch.progress) == (status, progress)


def test_jobs_that_are_kept_no_more_are_counted_as_over(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    batch, jobs = submitted(adapter, 4)
    client.delete(keys.job(jobs[1].id))
    found = adapter.batch(batch)
    assert (found.total, len(found.jobs), found.progress) == (4, 3, 0.25)


def test_another_owner_s_is_as_if_there_were_none(adapter: QueueAdapter) -> None:
    batch, _ = submitted(adapter, 2, owner="ann")
    assert adapter.batch(batch, Access("ann")).owner == "ann"
    for ask in (adapter.batch, adapter.cancel_batch):
        with pytest.raises(UnknownBatchError):
            ask(batch, Access("bob"))
        with pytest.raises(ForbiddenError):
            ask(batch, Access("ann", ("other.*",)))
    assert adapter.batch(batch).counts == {"queued": 2}


@pytest.mark.parametrize(
    "planted", [{"jobs": "x"}, {"jobs": "x,,y", "created_at": "soon"}, "text", {"owner": "a"}]
)
def test_what_is_no_batch_is_none(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, planted: Any
) -> None:
    batch = plant_batch(client, keys, planted)
    with pytest.raises(UnknownBatchError):
        adapter.batch(batch)


def test_it_is_canceled_by_scripts_of_a_size(
    adapter: QueueAdapter, worker: WorkerByHand, sent: list[bytes]
) -> None:
    warm_up, _ = submitted(adapter, 1)
    adapter.cancel_batch(warm_up)
    batch, jobs = submitted(adapter, 2 * CANCEL_AT_ONCE + 1)
    worker.run()
    worker.begin()
    sent.clear()
    found = adapter.cancel_batch(batch)
    assert len(sent) == 1 + 2 + 1, "a look before, one after"
    assert found.counts == {"started": 1, "finished": 1, "canceled": len(jobs) - 2}
    assert [each.stop_requested for each in found.jobs[:3]] == [False, True, False]


def test_a_long_queue_is_searched_once_for_a_hundred_jobs(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, worker: WorkerByHand
) -> None:
    (early,) = adapter.submit(orders(1))
    batch, jobs = submitted(adapter, CANCEL_AT_ONCE)
    (late,) = adapter.submit(orders(1))
    adapter.cancel(jobs[7].id)
    adapter.retry(jobs[7].id)  # behind the late one
    client.config_resetstat()
    assert adapter.cancel_batch(batch).counts == {"canceled": CANCEL_AT_ONCE}
    stats = client.info("commandstats")
    assert stats["cmdstat_lrem"]["calls"] == 1
    assert stats["cmdstat_lpos"]["calls"] == 3, (
        "the first, the one that went elsewhere, and the one behind it"
    )
    assert client.lrange(keys.queue("default"), 0, -1) == [early.id.encode(), late.id.encode()]


def test_jobs_of_all_queues_are_canceled_also_those_that_a_worker_has_taken(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings, worker: WorkerByHand
) -> None:
    batch = new_job_id()
    adapter.submit(
        [replace(each, queue=("default", "other")[n % 2]) for n, each in enumerate(orders(9))], batch=batch
    )
    assert worker.take() and worker.take("other")
    assert adapter.cancel_batch(batch).counts == {"canceled": 9}
    for queue in ("default", "other"):
        assert not client.exists(keys.queue(queue), keys.intermediate(queue))
    assert examine(client, settings, pause=0, healing=0) == []


def test_jobs_of_others_stay_where_they_are(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    _, jobs = submitted(adapter, 3, owner="ann")
    scripts = Scripts(client, settings.prefix)
    for access in (Access("bob"), Access("ann", ("other.*",))):
        cancel_jobs(scripts, keys, jobs, access, "t")
    assert client.lrange(keys.queue("default"), 0, -1) == [job.id.encode() for job in jobs]
    assert {adapter.get(job.id).status for job in jobs} == {JobStatus.QUEUED}


@pytest.mark.parametrize("step", [1, -1], ids=["in their order", "the last first"])
@pytest.mark.parametrize("if_failed", ["cancel", "run"])
@pytest.mark.parametrize(("count", "most"), [(3, 1), (2 * CANCEL_AT_ONCE, 1), (60, 50)])
def test_each_of_its_jobs_is_canceled_by_the_client_whatever_comes_after_what(
    step: int,
    if_failed: str,
    count: int,
    most: int,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
) -> None:
    jobs = orders(count)
    for number in range(1, count):
        after = tuple(before.id for before in jobs[max(0, number - most) : number])
        jobs[number] = replace(jobs[number], after=after, if_failed=if_failed)
    batch = new_job_id()
    adapter.submit(jobs[::step], batch=batch)
    found = adapter.cancel_batch(batch)
    assert found.counts == {"canceled": count}
    assert {job.error for job in found.jobs} == {None}
    assert [job.id for job in found.jobs if job.enqueued_at] == [jobs[0].id], "the others were never set free"
    assert not client.exists(keys.queue("default"), keys.unsettled)
    adapter.retry(jobs[0].id)
    assert adapter.batch(batch).counts == {"queued": 1, "canceled": count - 1}
    adapter.retry(jobs[1].id)
    assert adapter.get(jobs[1].id).status is JobStatus.DEFERRED
    assert examine(client, settings, pause=0, healing=0) == []


def test_what_comes_after_a_job_that_runs_is_canceled_by_the_client_too(
    adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    first, second = orders(2)
    batch = new_job_id()
    adapter.submit([first, replace(second, after=(first.id,))], batch=batch)
    job_id, execution = worker.begin()
    assert adapter.cancel_batch(batch).counts == {"started": 1, "canceled": 1}
    worker.end(job_id, execution, "stopped")
    adapter.retry(first.id)
    assert adapter.batch(batch).counts == {"queued": 1, "canceled": 1}


def test_jobs_that_come_after_many_are_canceled_fewer_at_a_time(
    adapter: QueueAdapter, monkeypatch: pytest.MonkeyPatch, sent: list[bytes]
) -> None:
    warm_up, _ = submitted(adapter, 1)
    adapter.cancel_batch(warm_up)
    monkeypatch.setattr(batches, "LETS_GO_AT_ONCE", 7)
    jobs = orders(9)
    ids = tuple(each.id for each in jobs)
    jobs += [replace(each, after=ids[:3]) for each in orders(5)] + [replace(orders(1)[0], after=ids)]
    batch = new_job_id()
    adapter.submit(jobs, batch=batch)
    sent.clear()
    assert adapter.cancel_batch(batch).counts == {"canceled": 15}
    assert len(sent) == 1 + 4 + 1, "that after nine; two and two after three each; and the rest"


def test_planted_jobs_that_wait_for_each_other_are_canceled(
    adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    first, second, third = orders(3)
    batch = new_job_id()
    adapter.submit(
        [first, replace(second, after=(first.id,)), replace(third, after=(first.id,))], batch=batch
    )
    for one, other in ((second, third), (third, second)):
        client.hset(keys.job(one.id), "dependency_ids", f'["{other.id}"]')
    assert adapter.cancel_batch(batch).counts == {"canceled": 3}


def test_there_is_nothing_to_cancel_twice(adapter: QueueAdapter) -> None:
    batch, _ = submitted(adapter, 2)
    adapter.cancel_batch(batch)
    with pytest.raises(ConflictError, match="failed already"):
        adapter.cancel_batch(batch)


def test_jobs_that_wait_for_canceled_ones_are_canceled_too(
    adapter: QueueAdapter, submit: Callable[..., Job]
) -> None:
    batch, jobs = submitted(adapter, 1)
    after = submit("odd.add", {"left": 1}, after=(jobs[0].id,))
    adapter.cancel_batch(batch)
    found = adapter.get(after.id)
    assert found.status is JobStatus.CANCELED and found.error and found.error.type == "DependencyFailed"
