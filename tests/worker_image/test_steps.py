"""What Redis refuses of one step of a pool keeps the others going: nobody's job waits for another's fault."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis
from redis.exceptions import ConnectionError, OutOfMemoryError

from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog
from coatcheck.job import Job, JobStatus
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from worker_image.janitor import Janitor
from worker_image.pool import Pool
from worker_image.steps import Steps


def full() -> None:
    raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'")


@pytest.fixture
def lost(
    submit: Callable[..., Job], client: redis.Redis, keys: Keys, settings: Settings
) -> tuple[Job, WorkerByHand]:
    """A job whose worker is gone: its lease has ended."""
    job = submit("odd.add")
    worker = WorkerByHand(client, keys, Scripts(client, settings.prefix))
    _, execution = worker.begin()
    Janitor(client, settings, ["default"]).tick()
    client.zadd(keys.leases, {f"{job.id}:{execution}": time.time() - 1})
    return job, worker


def test_a_planted_key_stops_its_own_step_only(
    lost: tuple[Job, WorkerByHand],
    submit: Callable[..., Job],
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    late = submit("odd.add", queue="mail", at=datetime.now(UTC) + timedelta(hours=1))
    client.zadd(keys.registry("scheduled", "mail"), {late.id: time.time() - 1})
    client.set(keys.registry("scheduled", "default"), "planted")
    janitor = Janitor(client, settings, ["default", "mail"])
    with caplog.at_level(logging.WARNING, "coatcheck.pool"):
        assert janitor.tick() == [(lost[0].id, "queued")]
        janitor.tick()
    assert adapter.get(late.id).status is JobStatus.QUEUED
    (line,) = caplog.messages
    assert line.startswith("what is due on default: Redis refuses it (")
    client.delete(keys.registry("scheduled", "default"))
    with caplog.at_level(logging.WARNING, "coatcheck.pool"):
        janitor.tick()
        client.set(keys.registry("scheduled", "default"), "planted")
        janitor.tick()
    assert len(caplog.messages) == 2, "it is told anew"


def test_periodic_tasks_that_a_full_redis_refuses_do_not_keep_lost_jobs_from_being_found(
    lost: tuple[Job, WorkerByHand], adapter: QueueAdapter, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(settings, Catalog(()))
    refusals: list[str] = []
    monkeypatch.setattr(pool._metrics, "event", refusals.append)
    monkeypatch.setattr(pool._ticker, "tick", full)
    pool._clean_up()
    assert adapter.get(lost[0].id).status is JobStatus.QUEUED
    assert sorted(refusals) == ["leases_lost", "redis_failures"]


def test_a_redis_that_is_away_is_away_for_all_steps() -> None:
    steps = Steps()
    taken: list[str] = []

    def away() -> None:
        taken.append("away")
        raise ConnectionError("refused")

    assert steps.take("one", lambda: 7) == 7
    assert steps.take("two", full) is None
    with pytest.raises(ConnectionError):
        steps.take("three", away)
    assert taken == ["away"]
