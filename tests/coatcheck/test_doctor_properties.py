"""The doctor in random states: what is healthy it leaves alone, and one repair mends all that is not."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.doctor import examine, repair
from coatcheck.errors import ConflictError
from coatcheck.job import CANCEL, RUN, Job, JobStatus, utcnow
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.coatcheck.ward import PLANTS, Ward
from worker_image.janitor import Janitor

Submit = Callable[..., Job]
OUTCOMES = ("finished", "failed", "stopped", "interrupted", "unknown")


@pytest.mark.parametrize("seed", range(10))
def test_whatever_healthy_clients_and_workers_do_is_healthy_and_left_as_it_is(
    seed: int,
    ward: Ward,
    submit: Submit,
    adapter: QueueAdapter,
    worker: WorkerByHand,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
) -> None:
    numbers = random.Random(seed)
    janitor = Janitor(client, settings, ["default", "other"])
    running: list[tuple[str, str]] = []

    def begin() -> None:
        if client.llen(keys.queue("default")):
            running.append(worker.begin())

    def end() -> None:
        if running:
            run = running.pop(numbers.randrange(len(running)))
            worker.end(*run, numbers.choice(OUTCOMES), delay=numbers.choice((0, 1)))

    def change(what: Callable[[str], Job], *statuses: JobStatus) -> None:
        found = [job for status in statuses for job in adapter.list(status=status).jobs]
        if found:
            with suppress(ConflictError):  # it comes after one that has to be retried before
                what(numbers.choice(found).id)

    def after(if_failed: str) -> None:
        found = adapter.list(limit=20).jobs
        chosen = numbers.sample(found, numbers.choice((1, 2)))
        submit("odd.add", after=tuple(job.id for job in chosen), if_failed=if_failed)

    steps: list[Callable[[], object]] = [
        lambda: submit("odd.add", retries=numbers.choice((None, 0, 2)), retry_delays=(0, 1)),
        lambda: submit("odd.add", at=utcnow() + timedelta(seconds=numbers.choice((-1, 0, 100)))),
        lambda: after(numbers.choice((CANCEL, RUN))),
        lambda: after(CANCEL),
        begin,
        end,
        lambda: running and worker.report(*numbers.choice(running), text="a line"),
        lambda: change(
            adapter.cancel, JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.DEFERRED, JobStatus.STARTED
        ),
        lambda: change(adapter.retry, JobStatus.FAILED, JobStatus.STOPPED, JobStatus.CANCELED),
        janitor.tick,
    ]
    for _ in range(60):
        numbers.choice(steps)()
    before = ward.dump()
    found = examine(client, settings, pause=0, healing=0)
    assert found == []
    assert list(repair(client, settings, found)) == []
    assert ward.dump() == before


@pytest.mark.parametrize("seed", range(16))
def test_one_repair_mends_whatever_comes_together_and_no_job_is_lost(
    seed: int, ward: Ward, worker: WorkerByHand, adapter: QueueAdapter
) -> None:
    numbers = random.Random(seed)
    changing = ("hash is gone", "expired", "is gone", "might wait again")
    names = [name for name in PLANTS if not any(words in name for words in changing)]
    for name in numbers.sample(names, 6):
        PLANTS[name][0](ward)
    before = ward.statuses()
    assert all(done.done for done in repair(ward.redis, ward.settings, ward.examine()))
    assert ward.examine() == []
    after = ward.statuses()
    assert after | {"started": ""} == before | {"started": ""}
    assert after["started"] in ("started", "queued")
    # Whatever waits can be run to its end, once.
    for _ in range(ward.redis.llen(ward.queue)):
        assert worker.run()
    assert not ward.redis.exists(ward.queue)
    with pytest.raises(ConflictError):
        adapter.retry(ward.jobs["finished"])
