"""The loop of the bare scripts runs what a worker runs, command by command."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import redis

from benchmarks.floor import Floor
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.job import Job, JobStatus
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

SCRIPT = re.compile(r"(?:EVALSHA|EVAL|FCALL) (\S+)")
END = "the end of what is watched"


@contextmanager
def commands(client: redis.Redis, settings: Settings) -> Iterator[list[str]]:
    """Every command that clients send meanwhile; those in scripts are left out."""
    seen: list[str] = []
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]

        def watch() -> None:
            for command in monitor.listen():
                if END in command["command"]:
                    return
                if command["client_type"] != "lua" and settings.prefix in command["command"]:
                    seen.append(command["command"])

        thread = threading.Thread(target=watch)
        thread.start()
        yield seen
        client.echo(END)
        thread.join()


def of_job(seen: list[str], job: Job) -> list[str]:
    """The scripts, by digest, that were run for a job."""
    found = [SCRIPT.match(command) for command in seen if job.id in command]
    return [match.group(1) for match in found if match]


def test_it_runs_the_scripts_of_a_worker_and_leaves_the_same_job(
    settings: Settings,
    client: redis.Redis,
    adapter: QueueAdapter,
    submit: Callable[..., Job],
    start_pool: Callable[..., PoolProcess],
) -> None:
    single = replace(settings, queues=("default",))
    with connect(single, socket_timeout=10) as other:
        floor = Floor(other, single)
        submit("bench.noop")
        assert floor.one_job()  # now the server has the scripts, and nothing is sent twice
        with commands(client, settings) as seen_of_floor:
            by_floor = submit("bench.noop")
            assert floor.one_job()
    start_pool(COATCHECK_TASKS="benchmarks.tasks", COATCHECK_QUEUES="default")
    warm = submit("bench.noop")
    eventually(lambda: adapter.get(warm.id).ended)
    with commands(client, settings) as seen_of_worker:
        by_worker = submit("bench.noop")
        # Not by the adapter, whose look at a job is a script too.
        key = Keys(settings.prefix).job(by_worker.id)
        eventually(lambda: client.hget(key, "status") == b"finished")
    scripts = of_job(seen_of_floor, by_floor)
    assert scripts == of_job(seen_of_worker, by_worker)
    assert len(scripts) > 1

    ends = [adapter.get(job.id) for job in (by_floor, by_worker)]
    assert [(job.status, job.result, job.attempt) for job in ends] == [(JobStatus.FINISHED, 1, 1)] * 2
