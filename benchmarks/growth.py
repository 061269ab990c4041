"""What a million waiting jobs cost beside a thousand, and what five hundred workers cost Redis.

``python -m benchmarks.growth``. Two namespaces of one server: in one a thousand jobs wait and a hundred have
finished, in the other a million wait and 100,000 have finished. Each round calls every operation on the
small and on the large one, in turn; the ratio of the medians is to stay below 1.2.

The jobs are submitted with the adapter's own commands, in batches (``loader.py``), and ended by the scripts
that workers run.

The heartbeats: what 500 workers with nothing to do, and as many with a job each, send to Redis in the pace
of the real ones, and what their 250 pools' janitors send beside it (two workers a pool).
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import redis

from benchmarks.floor import Floor
from benchmarks.harness import Goal, Options, Report, main, number, rounds, say
from benchmarks.heartbeats import simulate
from benchmarks.loader import load
from benchmarks.processes import ahead
from benchmarks.servers import Server
from benchmarks.systems import our_settings, submissions
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.job import JobStatus
from coatcheck.scopes import Access
from coatcheck.settings import Settings

SMALL, LARGE, QUICK = (1000, 100), (1_000_000, 100_000), (20_000, 2000)
"""Jobs that wait, and jobs that have finished."""
GOAL = 1.2
CALLS = 50
"""Calls of an operation in a round; their median counts."""
CALL_SECONDS = 0.6
"""How long the calls of one operation may take in a round: a slow one is called less often."""
WORKERS = 500
OWNER = "ann"
"""Whose the jobs are, so that a list of theirs is as long as that of all."""


class Namespace:
    """A namespace with jobs in it. Takes a client, the settings, and how many jobs wait and have finished."""

    def __init__(self, client: redis.Redis, settings: Settings, waiting: int, finished: int) -> None:
        self._settings = settings
        self.adapter = QueueAdapter(client, settings)
        self._floor = Floor(client, settings)
        self._queues = settings.queues
        load(client, settings, finished, OWNER)
        self._floor.many_jobs(finished)
        self._ids = load(client, settings, waiting, OWNER)

    def operations(self) -> dict[str, Callable[[], Any]]:
        """What is measured, by name. None of them changes how many jobs wait, but by a few."""
        adapter = self.adapter
        calls: dict[str, Callable[[], Any]] = {
            "submit": lambda: adapter.submit(submissions(self._settings, 1)),
            "take, begin, finish": self._floor.one_job,
            "status": lambda: adapter.get(random.choice(self._ids)),
            "queues": lambda: adapter.queues(self._queues),
            "list": adapter.list,
            "list, second page": lambda: adapter.list(cursor=self._ids[len(self._ids) // 2]),
            "list queue=default": lambda: adapter.list(queue=self._queues[0]),
            "list task=bench.noop": lambda: adapter.list(task="bench.noop"),
            "list task=none has it": lambda: adapter.list(task="bench.payload"),
        }
        theirs = Access(OWNER)
        calls["list owner=ann"] = lambda: adapter.list(access=theirs)
        calls["list owner=ann, second page"] = lambda: adapter.list(
            access=theirs, cursor=self._ids[len(self._ids) // 2]
        )
        calls["list owner=ann status=finished"] = lambda: adapter.list(
            access=theirs, status=JobStatus.FINISHED
        )
        for status in JobStatus:
            calls[f"list status={status}"] = lambda status=status: adapter.list(status=status)  # type: ignore[misc]
        return calls


def medians(small: Callable[[], Any], large: Callable[[], Any]) -> tuple[float, float]:
    """The median times of two calls in milliseconds, called in turn as often as fits in CALL_SECONDS."""
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + CALL_SECONDS
    while not times or (len(times) < CALLS and time.perf_counter() < end):
        begin = time.perf_counter()
        small()
        between = time.perf_counter()
        large()
        times.append((between - begin, time.perf_counter() - between))
    return 1000 * statistics.median(pair[0] for pair in times), 1000 * statistics.median(
        pair[1] for pair in times
    )


def measure(options: Options) -> Report:
    """Fill both namespaces, measure every operation round by round, then the heartbeats."""
    report = Report("growth")
    with Server() as server, connect(our_settings(server.url()), socket_timeout=120) as client:
        report.versions = {"server": server.version}
        settings = our_settings(server.url())
        spaces: dict[str, Namespace] = {}
        for title, namespace, (waiting, finished) in (
            ("small", "small", SMALL),
            ("large", "large", QUICK if options.quick else LARGE),
        ):
            say(f"growth: {waiting:,} waiting and {finished:,} finished jobs")
            begin = time.perf_counter()
            with ahead([server.pid, os.getpid()], options.ahead):
                in_it = replace(settings, namespace=namespace, max_queued=0, max_waiting=0, jobs_per_minute=0)
                spaces[title] = Namespace(client, in_it, waiting, finished)
            seconds = time.perf_counter() - begin
        used: Any = client.info("memory")
        report.figure("to build the large one", "s").values.append(seconds)
        report.figure("memory of both", "MB").values.append(used["used_memory"] / 1e6)
        small, large = spaces["small"].operations(), spaces["large"].operations()
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in small}
        for round_number in rounds(options):
            say(f"growth: round {round_number + 1}")
            for name, pairs in found.items():
                with ahead([os.getpid(), server.pid], options.ahead):
                    pairs.append(medians(small[name], large[name]))
    for name, pairs in found.items():
        report.goals.append(Goal(f"{name}: large / small", GOAL, [b / a for a, b in pairs], at_least=False))
    report.tables["An operation on the small and on the large namespace, in ms (medians)"] = [
        ["", "small", "large"],
        *(
            [name, *(number(statistics.median(column)) for column in zip(*pairs, strict=True))]
            for name, pairs in found.items()
        ),
    ]
    report.tables["The heartbeats of many workers"] = heartbeats(options)
    return report


def heartbeats(options: Options) -> list[list[str]]:
    """What many workers send, without jobs and with one each."""
    workers, seconds = (20, 1.0) if options.quick else (WORKERS, 8.0)
    rows = [["", "commands/s", "with those in scripts", "Redis, % of a core"]]
    with Server() as server:
        for state in ("idle", "busy"):
            say(f"growth: {workers} {state} workers")
            load = simulate(server, our_settings(server.url()), workers, seconds, busy=state == "busy")
            shares = [f"{load.sent:,.0f}", f"{load.commands:,.0f}", f"{100 * load.cpu:.1f}"]
            rows.append([f"{workers} {state} workers", *shares])
    return rows


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
