"""What a repair makes of a job: as its own hash says, and never less than there was."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from coatcheck.adapter import QueueAdapter
from coatcheck.doctor import repair
from coatcheck.job import Job, JobStatus, utcnow
from tests.coatcheck.conftest import WorkerByHand
from tests.coatcheck.ward import PLANTS, Ward

Submit = Callable[..., Job]


def mend(ward: Ward) -> dict[str, str | None]:
    return {done.finding.kind: done.done for done in repair(ward.redis, ward.settings, ward.examine())}


def test_a_queued_job_goes_to_the_head_of_its_queue(ward: Ward) -> None:
    ward.redis.lrem(ward.queue, 0, ward.jobs["queued"])
    assert mend(ward) == {"queued-nowhere": "put at the head of its queue, default"}
    assert ward.waiting() == [ward.jobs["queued"], ward.jobs["behind"]]


def test_of_two_entries_the_first_stays(ward: Ward) -> None:
    ward.redis.rpush(ward.queue, ward.jobs["queued"])
    mend(ward)
    assert ward.waiting() == [ward.jobs["queued"], ward.jobs["behind"]]


def test_of_a_taken_job_only_the_queues_entry_goes(ward: Ward, worker: WorkerByHand) -> None:
    assert worker.take() == ward.jobs["queued"]
    ward.redis.hset(ward.job("queued"), "taken_at", time.time())
    ward.redis.rpush(ward.queue, ward.jobs["queued"], ward.jobs["queued"])
    mend(ward)
    assert ward.waiting() == [ward.jobs["behind"]]
    assert ward.redis.lrange(ward.taken, 0, -1) == [ward.jobs["queued"].encode()]


def test_a_started_job_without_a_lease_runs_again(
    ward: Ward, adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    ward.redis.delete(ward.keys.leases)
    told = mend(ward)["started-without-lease"]
    assert told == "treated as a job whose worker was lost; it is queued now"
    job = adapter.get(ward.jobs["started"])
    assert (job.status, job.interrupted) == (JobStatus.QUEUED, 1)
    assert ward.waiting()[0] == job.id
    assert worker.end(job.id, ward.execution) == "lost", "the earlier run comes too late"


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"at_most_once": "1"}, "only once"), ({"interrupted": "2", "lost": "2"}, "3 times")],
    ids=["at most once", "poisonous"],
)
def test_a_started_job_without_a_lease_that_must_not_run_again_fails(
    fields: dict[str, str], error: str, ward: Ward, adapter: QueueAdapter
) -> None:
    ward.redis.hset(ward.job("started"), mapping=dict[Any, Any](fields))
    ward.redis.delete(ward.keys.leases)
    assert mend(ward)["started-without-lease"] == "treated as a job whose worker was lost; it is failed now"
    job = adapter.get(ward.jobs["started"])
    assert job.status is JobStatus.FAILED and job.error and error in job.error.message


def test_a_job_that_lost_its_worker_waits_once_even_if_it_stood_on_its_queue(ward: Ward) -> None:
    ward.redis.rpush(ward.queue, ward.jobs["started"])
    ward.redis.rpush(ward.taken, ward.jobs["started"])
    ward.redis.delete(ward.keys.leases)
    mend(ward)
    assert ward.waiting() == [ward.jobs[name] for name in ("started", "queued", "behind")]
    assert ward.examine() == []


def test_a_queue_that_was_forgotten_is_known_again_once_it_has_a_job(ward: Ward, submit: Submit) -> None:
    submit("odd.add", queue="third", at=utcnow() + timedelta(hours=1))
    ward.redis.delete(ward.keys.registry("scheduled", "third"))
    ward.redis.srem(ward.keys.queues, ward.keys.queue("third"))
    mend(ward)
    assert ward.redis.sismember(ward.keys.queues, ward.keys.queue("third"))
    assert ward.examine() == []


def test_only_the_job_that_lost_its_worker_is_swept(ward: Ward, submit: Submit, worker: WorkerByHand) -> None:
    ward.redis.ltrim(ward.queue, 2, -1)  # so that the next one that is submitted is the next one to begin
    submit("odd.add")
    other = ":".join(worker.begin())
    ward.redis.zadd(ward.keys.leases, {ward.run: time.time() - 100, other: time.time() - 5})
    mend(ward)
    assert ward.redis.zrange(ward.keys.leases, 0, -1) == [other.encode()], "late, but not given up"


def test_a_scheduled_job_keeps_its_time(ward: Ward) -> None:
    due = ward.redis.zscore(ward.registry("scheduled"), ward.jobs["scheduled"])
    ward.redis.delete(ward.registry("scheduled"))
    mend(ward)
    assert ward.redis.zscore(ward.registry("scheduled"), ward.jobs["scheduled"]) == due


@pytest.mark.parametrize(
    ("status", "seconds"), [("finished", 600), ("failed", 604_800), ("canceled", 604_800)]
)
def test_an_ended_job_gets_the_time_to_live_of_its_settings(status: str, seconds: int, ward: Ward) -> None:
    ward.redis.persist(ward.job(status))
    mend(ward)
    assert seconds - 5 <= ward.redis.ttl(ward.job(status)) <= seconds
    score = ward.redis.zscore(ward.registry(status), ward.jobs[status])
    assert score == pytest.approx(time.time() + seconds, abs=5)


def test_a_job_without_settings_of_its_own_gets_those_of_the_namespace(ward: Ward) -> None:
    ward.redis.hdel(ward.job("finished"), "result_ttl")
    ward.redis.persist(ward.job("finished"))
    mend(ward)
    assert ward.redis.ttl(ward.job("finished")) == pytest.approx(ward.settings.result_ttl, abs=5)


def test_everything_wrong_at_once_is_mended_in_one_go_and_no_job_is_lost(ward: Ward) -> None:
    for name, (plant, _) in PLANTS.items():
        if "hash is gone" not in name and "expired" not in name:
            plant(ward)
    before = ward.redis.zcard(ward.keys.index)
    assert len(mend(ward)) > 20
    assert ward.examine() == []
    assert len(list(ward.redis.scan_iter(ward.keys.job("*")))) >= before
    assert set(ward.statuses()) == set(ward.jobs)


def test_a_finding_that_is_true_no_more_changes_nothing(ward: Ward) -> None:
    ward.redis.lrem(ward.queue, 0, ward.jobs["queued"])
    findings = ward.examine()
    ward.redis.rpush(ward.queue, ward.jobs["queued"])
    before = ward.dump()
    (done,) = repair(ward.redis, ward.settings, findings)
    assert done.done == "found well when it was looked at again"
    assert ward.dump() == before


def test_a_repair_of_a_healthy_namespace_changes_nothing(ward: Ward) -> None:
    before = ward.dump()
    assert mend(ward) == {}
    assert ward.dump() == before


def test_looking_writes_nothing(ward: Ward) -> None:
    for plant, _ in PLANTS.values():
        plant(ward)
    ward.redis.config_resetstat()
    changes = ward.redis.info("persistence")["rdb_changes_since_last_save"]
    assert ward.examine()
    assert ward.redis.info("persistence")["rdb_changes_since_last_save"] == changes
    used = {name.removeprefix("cmdstat_") for name in ward.redis.info("commandstats")}
    assert "evalsha" in used
    commands = ward.redis.command()
    assert not [name for name in used if "write" in commands.get(name, {"flags": []})["flags"]]
