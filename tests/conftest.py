"""Real parts for the tests: a Redis server, clients in a namespace of their own, workers, the product."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.job import Job, Submission
from coatcheck.keys import Keys
from coatcheck.settings import Settings, load
from infra.embedded import EmbeddedRedis
from tests.support.processes import ROOT, PoolProcess

NETWORK = ("tests/browser/", "tests/container/", "tests/localstack/")
"""Folders of tests that must not run beside each other: Docker's networks come and go with containers, and
each time Chromium breaks off what it loads (ERR_NETWORK_CHANGED). One LocalStack is enough, too."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give such tests to one process of the test run, and any other test to whichever is free."""
    # The mark xdist_group would say the same, but does nothing with pytest 9.2 (pytest-xdist issue 1386).
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return "network" if nodeid.startswith(NETWORK) else nodeid

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server, one for each process of the test run."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def settings(redis_url: str) -> Settings:
    """Settings with a namespace that no other test uses."""
    return replace(
        load({"REDIS_URL": redis_url}), namespace=f"t{uuid4().hex[:12]}", queues=("default", "other")
    )


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    """A client of the server, for looking at the keys."""
    with connect(settings, socket_timeout=10) as client:
        yield client


@pytest.fixture
def keys(settings: Settings) -> Keys:
    """The names of the keys in the test's namespace."""
    return Keys(settings.prefix)


@pytest.fixture
def adapter(client: redis.Redis, settings: Settings) -> QueueAdapter:
    """The adapter in the test's namespace."""
    return QueueAdapter(client, settings)


@pytest.fixture
def submit(adapter: QueueAdapter) -> Callable[..., Job]:
    """Submits one job: ``submit("odd.add", {"left": 1}, queue=..., timeout=...)``."""

    def submit(task: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> Job:
        values: dict[str, Any] = {"queue": "default", "timeout": 60, "result_ttl": 600, **options}
        return adapter.submit([Submission(task=task, arguments=dict(arguments or {}), **values)])[0]

    return submit


@pytest.fixture
def start_pool(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., PoolProcess]]:
    """Starts pools of workers in the test's namespace; keyword arguments are environment variables."""
    pools: list[PoolProcess] = []

    def start(**variables: str) -> PoolProcess:
        pools.append(PoolProcess(settings, tmp_path / f"pool-{len(pools)}.log", **variables))
        return pools[-1]

    yield start
    for pool in pools:
        pool.__exit__(None, None, None)
        print(pool.text())  # pytest shows it for a test that failed


@pytest.fixture(scope="session")
def live_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole product, as ``coatcheck up`` starts it: the URL of a running API with a real worker."""
    folder = tmp_path_factory.mktemp("up")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra", "up", "--port", "0", "--data", str(folder / "data")],
            cwd=ROOT,
            env=os.environ | {"MAX_TIME_TO_WAIT": "2", "WORKER_PROCESSES": "3"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url.startswith("http://"), (folder / "log").read_text()
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            process.stdout.close()
