"""No-op jobs per second of one worker process: ours beside other task queues, and beside its own limit.

``python -m benchmarks.throughput``. For each system, in each round: its worker starts on an empty queue and
runs a few jobs, which shows that it is ready. Then all its processes are stopped (SIGSTOP), jobs are
submitted, and the time runs from the moment at which the processes go on (SIGCONT) until Redis holds the
last result. No start-up and no submission is in it, and no system is asked differently.

All of them use one Valkey on loopback, each a database of its own, with the append-only file synced each
second. Each has its results on and its own defaults otherwise, but that the others log as little as
possible, and ours as it does by default. The number of jobs is such that each takes a second or two.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.floor import Floor
from benchmarks.harness import Options, Report, main, rounds, say
from benchmarks.processes import Processes, ahead
from benchmarks.servers import Server, cpu_seconds
from benchmarks.systems import PEER_SYSTEMS, PEERS, Pending, System, our_settings, ours, started, submit_ours
from coatcheck.connection import connect

BARE = "bare scripts"
"""The limit's name: ``floor.py``."""
SECONDS = 1.5
"""How long a measurement shall take."""
SHORTEST, LONGEST = 0.7, 3.0
"""A first measurement outside of these seconds is done again, with another number of jobs."""
WARM_UP = 10
"""Jobs that show that a worker is ready."""
START_SECONDS = 60.0
"""How long a worker gets to be ready, before the benchmark gives up."""
RUN_SECONDS = 20.0
"""How long it gets to run the jobs."""
GOALS = {
    "rq worker": 40.0,
    "rq SimpleWorker": 8.0,
    "Celery, prefork 1": 1.0,
    "SAQ": 1.0,
    "dramatiq": 1.0,
    "Huey": 1.0,
}
"""How many times as many jobs ours must run."""
FLOOR_GOAL, SCALING_GOAL = 0.6, 1.8
FULL = 0.9
"""The share of the cores, or of one core by Redis, from which on they count as full."""


@dataclass(frozen=True)
class Measured:
    """Jobs per second, and how many cores Redis and the workers kept busy meanwhile."""

    rate: float
    redis: float
    workers: float


def run_once(
    system: System,
    server: Server,
    database: int,
    jobs: int,
    folder: Path,
    limit: float = RUN_SECONDS,
    first: bool = False,
) -> Measured:
    """One measurement of a system, in a database that is empty before and after.

    After ``limit`` seconds the jobs that have ended by then count. ``first``: before all other processes.
    """
    url = server.url(database)
    system = started(system, url)
    log = folder / f"{database}.log"
    with server.client(database) as client:
        client.flushdb()
        with Processes(system.command, system.environment(url), log) as worker:
            ready = system.submit(url, WARM_UP)
            worker.wait_for(lambda: _all_done(client, ready, system.workers), START_SECONDS, pause=0.02)
            worker.signal(signal.SIGSTOP)
            pending = system.submit(url, jobs)
            with ahead([server.pid, *worker.pids(), os.getpid()], first):
                before = cpu_seconds(server.pid), worker.cpu_seconds()
                begin = time.perf_counter()
                late = begin + limit
                worker.signal(signal.SIGCONT)
                end = worker.wait_for(lambda: pending.done(client) or time.perf_counter() > late, 2 * limit)
                after = cpu_seconds(server.pid), worker.cpu_seconds()
            seconds = end - begin
            jobs -= pending.left(client)
        client.flushdb()
    return Measured(jobs / seconds, (after[0] - before[0]) / seconds, (after[1] - before[1]) / seconds)


def _all_done(client: redis.Redis, *pending: Pending | None) -> bool:
    return all(one.done(client) for one in pending if one is not None)


def run_floor(server: Server, database: int, jobs: int, first: bool = False) -> Measured:
    """The loop of the bare scripts, over as many jobs."""
    url = server.url(database)
    settings = our_settings(url)
    with server.client(database) as looker, connect(settings, socket_timeout=15) as client:
        looker.flushdb()
        submit_ours(url, jobs + WARM_UP)
        floor = Floor(client, settings)
        for _ in range(WARM_UP):
            floor.one_job()
        with ahead([server.pid, os.getpid()], first):
            before, ours_before = cpu_seconds(server.pid), time.process_time()
            begin = time.perf_counter()
            for _ in range(jobs):
                floor.one_job()
            seconds = time.perf_counter() - begin
            after, ours_after = cpu_seconds(server.pid), time.process_time()
        looker.flushdb()
    return Measured(jobs / seconds, (after - before) / seconds, (ours_after - ours_before) / seconds)


def measure(options: Options) -> Report:
    """Measure all systems, round by round."""
    report = Report("throughput")
    found_by: dict[str, list[Measured]] = {}
    one, two = ours(), ours(2)
    systems = [system for system in (one, *PEER_SYSTEMS, two) if options.wants(system.name)]
    jobs = {system.name: system.jobs for system in systems}
    with Server() as server, tempfile.TemporaryDirectory() as name:
        report.versions, folder = versions() | {"server": server.version}, Path(name)
        for round_number in rounds(options):
            for database, system in enumerate(systems):
                say(f"throughput: round {round_number + 1}, {system.name}")
                count = jobs[system.name] // 20 + 1 if options.quick else jobs[system.name]
                found = run_once(system, server, database, count, folder, first=options.ahead)
                if round_number == 0 and not options.quick and not SHORTEST < count / found.rate < LONGEST:
                    again = int(found.rate * SECONDS) + 1
                    found = run_once(system, server, database, again, folder, first=options.ahead)
                jobs[system.name] = max(20, int(found.rate * SECONDS))
                found_by.setdefault(system.name, []).append(found)
                if system is one:
                    count = 100 if options.quick else jobs[one.name]
                    found_by.setdefault(BARE, []).append(run_floor(server, 15, count, options.ahead))
    for name, found_ones in found_by.items():
        report.figure(name, "jobs/s").values += [found.rate for found in found_ones]
    report.tables["Cores kept busy meanwhile (medians)"] = busy_rows(found_by)
    for name, bound in GOALS.items():
        report.ratio(f"coatcheck / {name}", one.name, name, bound)
    report.ratio(f"coatcheck / {BARE}", one.name, BARE, FLOOR_GOAL)
    report.ratio("two processes / one", two.name, one.name, scaling_goal(found_by.get(one.name, [])))
    return report


def scaling_goal(found: Sequence[Measured]) -> float:
    """How many times as many jobs two processes must run: 1.8, or less when the cores or Redis' one are full.

    Takes what one process' runs found.
    """
    if not found:
        return SCALING_GOAL
    redis = statistics.median(one.redis for one in found)
    cores = statistics.median(one.redis + one.workers for one in found)
    room = min((os.cpu_count() or 1) / max(cores, 0.01), 1 / max(redis, 0.01))
    return min(SCALING_GOAL, FULL * room)


def busy_rows(found_by: Mapping[str, Sequence[Measured]]) -> list[list[str]]:
    """How many cores Redis and the workers used, and what a job cost of each, in microseconds."""
    rows = [["", "Redis", "workers", "Redis, µs a job", "workers, µs a job"]]
    for name, found in found_by.items():
        cores = [
            statistics.median(one.redis for one in found),
            statistics.median(one.workers for one in found),
        ]
        rate = statistics.median(one.rate for one in found)
        rows.append(
            [name, *(f"{value:.2f}" for value in cores), *(f"{1e6 * value / rate:.0f}" for value in cores)]
        )
    return rows


def versions() -> dict[str, str]:
    """The versions of the other systems."""
    script = (
        "from importlib.metadata import version\n"
        "for name in ('rq', 'celery', 'saq', 'dramatiq', 'huey', 'redis'): print(name, version(name))"
    )
    told = subprocess.run([PEERS, "-c", script], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in told.splitlines())


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
