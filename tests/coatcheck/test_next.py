"""The step that ends a run and begins the job that waits next."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job, JobStatus, new_job_id
from coatcheck.keys import Keys
from tests.coatcheck.conftest import WorkerByHand

Submit = Callable[..., Job]


def test_the_next_job_begins_with_a_lease_of_its_own(
    submit: Submit, worker: WorkerByHand, adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    first, second, third = (submit("odd.add", {"left": number}) for number in range(3))
    _, execution = worker.begin()
    assert worker.end(first.id, execution, following="next") == "finished"
    assert worker.next == second.id
    assert client.zrange(keys.leases, 0, -1) == [f"{second.id}:next".encode()]
    found = adapter.get(second.id)
    assert (found.status, found.attempt, found.worker) == (JobStatus.STARTED, 1, worker.name)
    assert adapter.get(third.id).status is JobStatus.QUEUED
    assert worker.end(second.id, "next", result=7) == "finished"
    assert (adapter.get(second.id).result, worker.next) == (7, "")


def test_nothing_begins_when_nothing_waits_or_rq_is_suspended(
    submit: Submit, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    first = submit("odd.add", {"left": 1})
    _, execution = worker.begin()
    assert worker.end(first.id, execution, following="next") == "finished"
    assert worker.next == ""
    second, third = (submit("odd.add", {"left": number}) for number in range(2))
    _, execution = worker.begin()
    client.set(f"{keys.prefix}:suspended", 1)
    assert worker.end(second.id, execution, following="next") == "finished"
    assert worker.next == ""
    assert client.lrange(keys.queue("default"), 0, -1) == [third.id.encode()]


@pytest.mark.parametrize("plant", ["text", "a job that has ended", "nothing"])
def test_what_is_no_waiting_job_neither_runs_nor_disturbs_the_end_before_it(
    plant: str, submit: Submit, worker: WorkerByHand, adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    first, planted = submit("odd.add", {"left": 1}), new_job_id()
    _, execution = worker.begin()
    if plant == "text":
        client.set(keys.job(planted), "planted")
    elif plant == "a job that has ended":
        client.hset(keys.job(planted), "status", "finished")
    client.rpush(keys.queue("default"), planted)
    second = submit("odd.add", {"left": 2})
    assert worker.end(first.id, execution, following="next") == "finished"
    assert worker.next == second.id
    assert adapter.get(first.id).status is JobStatus.FINISHED
