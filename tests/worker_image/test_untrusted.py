"""Whoever can write to Redis still can't make a worker run what is not in the catalogue.

Each plant is also put before a plain RQ worker, which runs it: the proof that the test would notice.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job, JobStatus, format_time, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.support.polling import eventually
from tests.support.processes import ROOT, PoolProcess, environment

StartPool = Callable[..., PoolProcess]


class Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (self.path, "w"))


def pickled(path: str) -> dict[str, bytes]:
    return {"data": zlib.compress(pickle.dumps(("os.getpid", None, (Touch(path),), {})))}


def pickled_meta(path: str) -> dict[str, bytes]:
    return {"data": call("os.getpid"), "meta": pickle.dumps(Touch(path))}


def dotted_path(path: str) -> dict[str, bytes]:
    return {"data": call("builtins.open", path, "w")}


def with_callback(path: str) -> dict[str, bytes]:
    return {
        "data": call("worker_image.runner.run", "odd.add", {"left": 1}),
        "success_callback_name": b"tests.support.plants.callback",
        "description": path.encode(),
    }


def call(function: str, *args: object) -> bytes:
    return zlib.compress(json.dumps([function, None, list(args), {}]).encode())


def plant(client: redis.Redis, keys: Keys, fields: dict[Any, Any]) -> str:
    job_id = new_job_id()
    common: dict[Any, Any] = {
        "created_at": format_time(utcnow()),
        "origin": "default",
        "status": "queued",
        "timeout": "30",
        "attempt": "0",
    }
    client.hset(keys.job(job_id), mapping=common | fields)
    client.rpush(keys.queue("default"), job_id)
    return job_id


PLANTS = [pickled, pickled_meta, dotted_path, with_callback]


@pytest.mark.parametrize("make", PLANTS)
def test_a_planted_job_makes_our_worker_run_nothing(
    make: Callable[[str], dict[str, bytes]],
    start_pool: StartPool,
    submit: Callable[..., Job],
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    planted = plant(client, keys, make(str(trace)))
    behind = submit("odd.add", {"left": 1})
    pool = start_pool()
    eventually(lambda: adapter.get(behind.id).status is JobStatus.FINISHED, what="the next job still runs")
    assert client.hget(keys.job(planted), "status") in (b"failed", b"finished")
    assert not trace.exists(), pool.text()


@pytest.mark.parametrize(
    ("make", "serializer"),
    [
        (pickled, "rq.serializers.PickleSerializer"),
        (pickled_meta, "rq.serializers.PickleSerializer"),
        (dotted_path, "rq.serializers.JSONSerializer"),
        (with_callback, "rq.serializers.JSONSerializer"),
    ],
)
def test_the_same_plant_is_run_by_plain_rq(
    make: Callable[[str], dict[str, bytes]],
    serializer: str,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    plant(client, keys, make(str(trace)))
    command = [sys.executable, "-m", "rq.cli", "worker", "default", "--burst", "--serializer", serializer]
    done = subprocess.run(
        [*command, "--url", settings.redis_url],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert trace.exists(), done.stderr
