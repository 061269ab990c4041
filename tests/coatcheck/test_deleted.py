"""Somebody deletes a job while it runs: nothing of it is left, and none of it comes back."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import redis

from coatcheck.job import Job
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from worker_image.janitor import Janitor

Submit = Callable[..., Job]


def left(client: redis.Redis, keys: Keys) -> set[str]:
    constant = {keys.queues, keys.swept, keys.index}
    return {key.decode() for key in client.scan_iter(f"{keys.prefix}:*")} - constant


@pytest.fixture
def run(submit: Submit, worker: WorkerByHand, client: redis.Redis, keys: Keys) -> tuple[str, str]:
    """A run with a log, whose job's hash is deleted."""
    submit("odd.add")
    run = worker.begin()
    worker.report(*run, text="a line")
    client.delete(keys.job(run[0]))
    return run


@pytest.mark.parametrize("outcome", ["finished", "failed", "stopped", "interrupted", "unknown"])
def test_its_end_is_not_recorded(
    outcome: str, run: tuple[str, str], worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    assert worker.end(*run, outcome, piece="the last line") == "lost"
    assert left(client, keys) == set()


def test_its_worker_is_told_to_drop_it_and_the_sweep_forgets_it(
    run: tuple[str, str], worker: WorkerByHand, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    assert worker.report(*run, text="another line") == "lost"
    janitor = Janitor(client, settings, ["default"])
    janitor.tick()
    client.zadd(keys.leases, {":".join(run): time.time() - 1})
    assert janitor.tick() == []
    assert left(client, keys) == set()
    assert not client.exists(keys.index)


def test_a_worker_whose_record_expired_does_not_get_one_that_stays(
    submit: Submit, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    submit("odd.add")
    worker.run()
    assert not client.exists(keys.worker(worker.name))
