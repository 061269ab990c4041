"""What a job and a worker cost one Redis: the measured half of docs/scale.md.

``python -m benchmarks.shard`` starts a Redis and a pool of its own, submits no-op jobs one by one, reads each
job's status twice, has them run, and prints what Redis used for it: memory and processor time for each job,
connections and processor time for each idle worker process. Redis runs its commands on one thread, so the
time that it needs for a job is what limits a shard. Takes about a minute.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.job import Submission
from coatcheck.settings import load
from infra.embedded import EmbeddedRedis
from infra.template import ROOT

PROCESSES = 2
IDLE_SECONDS = 10.0
STATUS_READS = 2
"""How often a client asks for a job's status, as docs/deploy.md reckons."""
PATIENCE = 300.0
"""Seconds that the jobs get to run."""


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=5000, help="how many (default: 5000)")
    jobs = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as name, EmbeddedRedis(Path(name, "redis")) as server:
        settings = load({"REDIS_URL": server.url})
        with connect(settings, socket_timeout=10) as client:
            for line in measured(client, QueueAdapter(client, settings), Path(name), server.url, jobs):
                print(line)
    return 0


def measured(client: redis.Redis, adapter: QueueAdapter, folder: Path, url: str, jobs: int) -> list[str]:
    """The table's lines. Takes a client, the adapter, a folder to use, Redis' address, and how many jobs."""
    ids: list[str] = []

    def submit(count: int) -> None:
        for _ in range(count):
            ids.append(adapter.submit([Submission("noop.noop", {}, "default", 60, 3600)])[0].id)

    submit(1)
    with pool(folder, url):  # once unmeasured: scripts and buffers take memory that is no job's
        wait_for(lambda: ended(adapter) >= 1)
    before = memory(client)
    submitting = busy(client, lambda: submit(jobs))
    waiting = (memory(client) - before) / jobs
    reading = busy(client, lambda: [adapter.get(id_) for id_ in ids]) * STATUS_READS
    clients = len(client.client_list())
    with pool(folder, url):
        running = busy(client, lambda: wait_for(lambda: ended(adapter) >= len(ids)))
        connections = len(client.client_list()) - clients
        idle = busy(client, lambda: time.sleep(IDLE_SECONDS)) / IDLE_SECONDS / PROCESSES
    finished = (memory(client) - before) / jobs
    each = (submitting + reading + running) / jobs
    return [
        "| of one Redis | measured |",
        "| --- | --- |",
        f"| memory, a waiting job without arguments | {waiting:.0f} bytes |",
        f"| memory, a finished job that is kept | {finished:.0f} bytes |",
        f"| its thread's time to submit a job | {1e6 * submitting / jobs:.0f} µs |",
        f"| its thread's time for {STATUS_READS} looks at a job | {1e6 * reading / jobs:.0f} µs |",
        f"| its thread's time to hand a job out and take its end | {1e6 * running / jobs:.0f} µs |",
        f"| jobs a second that fill its thread | {1 / each:,.0f} |",
        f"| its thread's time for an idle worker process | {100 * idle:.2f} % |",
        f"| connections of a pool of {PROCESSES} worker processes | {connections} |",
    ]


def memory(client: redis.Redis) -> int:
    """Bytes that the data takes, without clients and their buffers."""
    return int(client.info("memory")["used_memory_dataset"])


def busy(client: redis.Redis, work: Callable[[], object]) -> float:
    """Seconds of processor time that Redis' main thread used while ``work`` was done."""

    def used() -> float:
        figures = client.info("cpu")
        return float(figures["used_cpu_user_main_thread"]) + float(figures["used_cpu_sys_main_thread"])

    before = used()
    work()
    return used() - before


def ended(adapter: QueueAdapter) -> int:
    """Jobs that have finished or failed."""
    (queue,) = adapter.queues(["default"])
    return int(queue.counts["finished"] + queue.counts["failed"])


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the jobs did not end")
        time.sleep(0.2)


@contextmanager
def pool(folder: Path, url: str) -> Iterator[None]:
    """A pool, while the block runs, whose only task does nothing."""
    package = folder / "shard_tasks"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text('"""A task for benchmarks.shard."""\n')
    (package / "noop.py").write_text('def noop() -> None:\n    """Does nothing."""\n')
    environ = {
        "REDIS_URL": url,
        "COATCHECK_TASKS": package.name,
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
        "WORKER_PROCESSES": str(PROCESSES),
    }
    with (folder / "pool.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker_image"],
            env=os.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    sys.exit(main())
