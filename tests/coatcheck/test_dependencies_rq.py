"""RQ's own tools beside jobs that come after others: what they read, and what a plain ``rq worker`` does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.job import RUN, Submission
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.support.invariants import violations
from tests.support.processes import ROOT, environment
from worker_image.janitor import Janitor

BEGIN = """
import json, os, sys
import redis
from rq import Queue, SimpleWorker
from rq.job import Job
from rq.registry import DeferredJobRegistry
from rq.serializers import JSONSerializer
connection = redis.Redis.from_url(os.environ["REDIS_URL"])
queue = Queue("default", connection=connection, serializer=JSONSerializer)
jobs = [Job.fetch(id, connection, serializer=JSONSerializer) for id in sys.argv[1:]]
"""
READ = """
registry = DeferredJobRegistry(queue=queue)
told = [
    {
        "after": [dependency.id for dependency in job.fetch_dependencies()],
        "ids": sorted(job.dependency_ids),
        "dependents": sorted(job.dependent_ids),
        "all the same": job.allow_dependency_failures,
        "deferred": job.id in registry.get_job_ids(),
        "status": job.get_status().value,
    }
    for job in jobs
]
print(json.dumps(told))
"""
WORK = """
worker = SimpleWorker([queue], connection=connection, serializer=JSONSerializer)
worker.work(burst=True, logging_level="ERROR")
print(json.dumps([job.get_status().value for job in jobs]))
"""
ENQUEUE = """
print(json.dumps(queue.enqueue("os.getcwd", depends_on=jobs).id))
"""


@pytest.fixture
def ask_rq(settings: Settings) -> Callable[..., Any]:
    """Runs a script with RQ, and the jobs of these ids; returns what it printed."""

    def ask(script: str, *jobs: Submission) -> Any:
        command = [sys.executable, "-c", BEGIN + script, *(job.id for job in jobs)]
        answer = subprocess.run(
            command, cwd=ROOT, env=environment(settings), capture_output=True, text=True, check=True
        )
        return json.loads(answer.stdout.splitlines()[-1])

    return ask


def make(*after: Submission, left: Any = 1, **options: Any) -> Submission:
    ids = tuple(each.id for each in after)
    return Submission("odd.add", {"left": left}, "default", 60, 600, after=ids, **options)


def test_rq_reads_who_comes_after_whom(
    ask_rq: Callable[..., Any], adapter: QueueAdapter, worker: WorkerByHand
) -> None:
    one, other = make(), make()
    last = make(one, other, if_failed=RUN)
    adapter.submit([one, other, last])
    told = ask_rq(READ, one, last)
    assert told[0] | {"ids": []} == {
        "after": [],
        "ids": [],
        "dependents": [last.id],
        "all the same": None,
        "deferred": False,
        "status": "queued",
    }
    assert told[1] == {
        "after": [one.id, other.id],
        "ids": sorted([one.id, other.id]),
        "dependents": [],
        "all the same": True,
        "deferred": True,
        "status": "deferred",
    }
    worker.run()
    worker.run()
    assert not ask_rq(READ, last)[0]["deferred"]


def test_a_plain_worker_takes_a_chain_to_its_end(
    ask_rq: Callable[..., Any],
    adapter: QueueAdapter,
) -> None:
    first = make()
    second, beside = make(first), make()
    last = make(second, beside)
    jobs = (first, second, beside, last)
    adapter.submit([*jobs])
    assert ask_rq(WORK, *jobs) == ["finished"] * 4
    assert [str(adapter.get(job.id).status) for job in jobs] == ["finished"] * 4


def test_what_a_plain_worker_leaves_waiting_after_a_failure_a_janitor_cancels(
    ask_rq: Callable[..., Any], adapter: QueueAdapter, client: redis.Redis, settings: Settings
) -> None:
    first = make(left="many")
    second = make(first)
    last = make(second)
    adapter.submit([first, second, last])
    assert ask_rq(WORK, first, second) == ["failed", "deferred"]
    Janitor(client, settings, ["default"]).tick()
    assert [str(adapter.get(job.id).status) for job in (second, last)] == ["canceled", "canceled"]


def test_a_job_of_rqs_own_is_set_free_by_one_of_ours(
    ask_rq: Callable[..., Any],
    adapter: QueueAdapter,
    worker: WorkerByHand,
    client: redis.Redis,
    keys: Keys,
) -> None:
    first = make()
    adapter.submit([first])
    theirs = ask_rq(ENQUEUE, first)
    assert client.hget(keys.job(theirs), "status") == b"deferred"
    worker.run()
    assert client.hget(keys.job(theirs), "status") == b"queued"
    assert client.lrange(keys.queue("default"), 0, -1) == [theirs.encode()]
    assert client.ttl(keys.job(first.id)) > 0, "nobody tells when a job of RQ's own has ended"
    client.delete(keys.job(theirs), keys.queue("default"), keys.dependencies(theirs))
    assert violations(client, keys.prefix) == []
