"""A real worker whose work-horse is scripted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from coatcheck.job import utcnow
from coatcheck.settings import Settings
from tests.worker_image.scripted import ScriptedHorse, give
from worker_image.worker import CoatcheckWorker


@pytest.fixture
def horse() -> ScriptedHorse:
    """The work-horse of ``worker``."""
    return ScriptedHorse()


@pytest.fixture
def worker(settings: Settings, client: redis.Redis, horse: ScriptedHorse) -> Iterator[CoatcheckWorker]:
    """A worker in the test's namespace, which runs what a test has it run."""
    worker = CoatcheckWorker("default", settings, client)
    worker.redis_worker_namespace_prefix = f"{settings.prefix}:worker:"
    worker.birth_date = utcnow()
    give(worker, horse)
    yield worker
    worker._delivery.close()
    worker._short.close()
