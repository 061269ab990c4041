"""The health check tells of heartbeats in Redis, not of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.support.polling import eventually
from tests.support.processes import ROOT, PoolProcess, environment


def check(settings: Settings, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker_image.health"]
    environ = environment(settings, **variables)
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


def test_a_pool_whose_workers_beat_is_healthy(
    start_pool: Callable[..., PoolProcess], adapter: QueueAdapter, settings: Settings
) -> None:
    assert check(settings).returncode == 1
    start_pool()
    eventually(lambda: adapter.queues(["default"])[0].workers)
    assert check(settings).returncode == 0


def test_a_worker_that_lives_but_does_not_beat_is_not_healthy(
    start_pool: Callable[..., PoolProcess],
    adapter: QueueAdapter,
    settings: Settings,
    client: redis.Redis,
    keys: Keys,
) -> None:
    start_pool(COATCHECK_QUEUES="default")
    worker = eventually(lambda: adapter.queues(["default"])[0].workers)[0]
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        client.hset(keys.worker(worker.name), "last_heartbeat", "2026-01-01T00:00:00.000000Z")
        done = check(settings, COATCHECK_QUEUES="default")
        assert done.returncode == 1
        assert "no worker of this host" in done.stderr
    finally:
        os.kill(worker.pid, signal.SIGCONT)


def test_without_redis_it_is_not_healthy_and_says_so(settings: Settings) -> None:
    done = check(settings, REDIS_URL="redis://127.0.0.1:1")
    assert done.returncode == 1
    assert "Redis can't be used" in done.stderr
