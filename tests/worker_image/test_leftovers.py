"""Whatever dies, and however a job ends: when all times to live are over, nothing of it is left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text
from coatcheck.doctor import examine
from coatcheck.job import ENDED_STATUSES, Job, JobStatus, Submission, utcnow
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from tests.support.polling import eventually
from tests.support.processes import PoolProcess
from worker_image.janitor import Janitor

Submit = Callable[..., Job]
StartPool = Callable[..., PoolProcess]
TTL = 3


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, result_ttl=TTL, failure_ttl=TTL, idempotency_ttl=TTL)


@pytest.fixture
def submit(submit: Submit) -> Submit:
    return lambda *args, **options: submit(*args, **{"result_ttl": TTL, **options})


def names(client: redis.Redis, keys: Keys) -> set[str]:
    return {key.decode() for key in client.scan_iter(f"{keys.prefix}:*", count=1000)}


def workers(client: redis.Redis, keys: Keys) -> set[str]:
    return {as_text(member) for member in client.smembers(keys.workers)}


def expire_early(client: redis.Redis, keys: Keys, alive: set[str]) -> None:
    """Lets the records of dead workers expire now, which they would do anyway."""
    for name in names(client, keys) - alive:
        if name.startswith(keys.worker("")) and not name.endswith(":executions"):
            assert 0 <= client.ttl(name) <= 80
            client.expire(name, 0)


def test_nothing_is_left_of_jobs_that_ended_in_every_way(
    start_pool: StartPool,
    submit: Submit,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    tmp_path: Path,
) -> None:
    journal, go, runs = (str(tmp_path / name) for name in ("journal", "go", "runs"))
    first = start_pool(WORKER_PROCESSES="4")
    jobs = [
        submit("odd.add", {"left": 1}),
        submit("odd.talk", {"lines": 3}),
        submit("odd.fail_until", {"path": runs, "times": 9}, retries=2, retry_delays=(0, 1)),
        submit("odd.exit_at_once", {"status": 3}),
        submit("odd.kill_itself", {"journal": journal}),
        submit("odd.kill_worker", {"journal": journal}),
        submit("odd.kill_worker", {"journal": journal}, retries=0),
        submit("odd.on_other_queue", {}, queue="other"),
        submit("odd.stubborn", {}, timeout=1),
        submit("odd.add", {"left": 1}, at=utcnow() + timedelta(seconds=1)),
    ]
    canceled = submit("odd.add", {"left": 1}, at=utcnow() + timedelta(hours=1))
    adapter.cancel(canceled.id)
    stopped = submit("odd.wait_for", {"path": go, "journal": journal})
    jobs += [canceled, stopped]
    jobs += adapter.submit(
        [Submission("odd.add", {"left": number}, "default", 60, TTL) for number in range(3)],
        idempotency_key="key",
        fingerprint="print",
    )
    eventually(lambda: adapter.get(stopped.id).status is JobStatus.STARTED)
    adapter.cancel(stopped.id)

    unended = {job.id for job in jobs}

    def ended() -> bool:
        for job_id in list(unended):
            status = client.hget(keys.job(job_id), "status")
            if status is None or as_text(status) in ENDED_STATUSES:
                unended.discard(job_id)
        return not unended

    eventually(ended, seconds=60)

    # A job that failed and is retried, whose pool is killed in the middle.
    retried = submit("odd.fail_until", {"path": str(tmp_path / "again"), "times": 1}, retries=None)
    eventually(lambda: adapter.get(retried.id).status is JobStatus.FAILED)
    adapter.retry(retried.id)
    waiting = submit("odd.wait_for", {"path": go, "journal": journal})
    eventually(lambda: adapter.get(waiting.id).status is JobStatus.STARTED)
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait()
    Path(go).touch()
    start_pool()

    left: set[str] = set()

    def only_constants_are_left() -> bool:
        nonlocal left
        alive = {name for name in workers(client, keys) if client.ttl(name) > 70}
        expire_early(client, keys, alive)
        lists = {keys.queues, keys.swept, keys.workers, *map(keys.workers_of, settings.queues)}
        left = names(client, keys) - lists - alive
        return not left

    try:
        eventually(only_constants_are_left, seconds=60)
    finally:
        assert left == set()
    assert examine(client, settings, pause=0, healing=0) == []


def test_nothing_is_left_of_a_job_that_was_deleted_while_it_ran(
    start_pool: StartPool, submit: Submit, client: redis.Redis, keys: Keys, settings: Settings, tmp_path: Path
) -> None:
    start_pool()
    go = tmp_path / "go"
    job = submit("odd.wait_for", {"path": str(go), "journal": str(tmp_path / "journal")})
    eventually(lambda: client.exists(keys.log(job.id)), what="its log begins")
    client.delete(keys.job(job.id))
    eventually(lambda: not [name for name in names(client, keys) if job.id in name])
    go.touch()
    eventually(lambda: client.zcard(keys.index) == 0)
    assert examine(client, settings, pause=0, healing=0) == []


def test_jobs_of_a_queue_that_nobody_serves_any_more_expire_from_its_registries(
    submit: Submit, adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    job = submit("odd.add", queue="former")
    client.hset(keys.job(job.id), "failure_ttl", 1)
    adapter.cancel(job.id)

    def tidied() -> bool:
        Janitor(client, settings, ["default"]).tick()
        return not client.exists(keys.registry("canceled", "former"), keys.index)

    eventually(tidied)


def test_what_leaves_a_registry_leaves_the_index_at_once(
    submit: Submit, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    gone, here = submit("odd.add"), submit("odd.add")
    client.delete(keys.job(gone.id))
    registry = keys.registry("failed", "default")
    client.zadd(registry, {gone.id: time.time() - 2, here.id: time.time() - 2, "later": time.time() + 9})
    assert Scripts(client, settings.prefix).run("trim", [registry, keys.index, keys.owned], 10) == 2
    assert client.zrange(registry, 0, -1) == [b"later"]
    assert client.zrange(keys.index, 0, -1) == [here.id.encode()]
