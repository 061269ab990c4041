"""The loader's jobs are what the adapter's are."""

from __future__ import annotations

import redis

from benchmarks.loader import load
from benchmarks.systems import BATCH
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text
from coatcheck.job import JobStatus
from coatcheck.keys import Keys
from coatcheck.settings import Settings


def test_a_loaded_job_is_like_a_submitted_one(
    client: redis.Redis, settings: Settings, adapter: QueueAdapter, keys: Keys
) -> None:
    count = 4 * BATCH + 7
    some = load(client, settings, count)
    waiting = [as_text(job_id) for job_id in client.lrange(keys.queue("default"), 0, -1)]
    assert len(waiting) == len(set(waiting)) == client.zcard(keys.index) == count
    assert set(some) <= set(waiting) and len(some) > 100
    assert len(list(client.scan_iter(f"{keys.job('')}*", count=1000))) == count

    by_adapter, loaded = waiting[0], waiting[3 * BATCH + 5]
    hashes = [client.hgetall(keys.job(job_id)) for job_id in (by_adapter, loaded)]
    assert hashes[0].keys() == hashes[1].keys()
    assert hashes[0][b"data"] == hashes[1][b"data"]
    job = adapter.get(loaded)
    assert (job.id, job.task, job.status) == (loaded, "bench.noop", JobStatus.QUEUED)
    assert [job.id for job in adapter.list(limit=3).jobs] == waiting[:-4:-1]
