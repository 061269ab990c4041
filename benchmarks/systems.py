"""The systems whose workers are measured: how each is started, and how it is given jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.job import Submission
from coatcheck.keys import Keys
from coatcheck.settings import Settings, load

PEERS = Path(os.environ.get("BENCH_PYTHON", ROOT / ".venv" / "bench" / "bin" / "python"))
"""The interpreter of the environment that holds the other systems (``make .venv/bench/.installed``)."""
BATCH = 1000
"""Jobs of ours in one submission."""


@dataclass(frozen=True)
class Pending:
    """Jobs that were submitted: the command of Redis that counts those that have ended, and how many must."""

    count: tuple[str, ...]
    expected: int

    def left(self, client: Any) -> int:
        """How many have not ended yet."""
        return abs(self.expected - int(client.execute_command(*self.count)))

    def done(self, client: Any) -> bool:
        """Whether all of them have ended."""
        name, *keys = self.count
        if name == "EXISTS" and not client.exists(keys[-1]):
            return False  # the last one first: to ask for thousands of keys takes its time
        return bool(client.execute_command(*self.count) == self.expected)


@dataclass(frozen=True)
class System:
    """A worker's command, and what submits jobs to it.

    ``command`` gets the address of its database in the variable of ``variables`` that ends in ``URL``.
    """

    name: str
    command: tuple[str, ...]
    submit: Callable[[str, int], Pending]
    variables: Mapping[str, str] = field(default_factory=dict)
    url_variable: str = "BENCH_REDIS_URL"
    jobs: int = 500
    """How many jobs to begin with; the benchmark finds out how many fill its time."""
    workers: Pending | None = None
    """The command that counts the processes that are ready, where a job that has run does not tell."""

    def environment(self, url: str) -> dict[str, str]:
        """The variables of its worker."""
        return {**self.variables, self.url_variable: url}


def our_settings(url: str) -> Settings:
    """The settings of our pool and of what submits to it, on a database."""
    return load({"REDIS_URL": url, "COATCHECK_TASKS": "benchmarks.tasks"})


def submissions(
    settings: Settings, count: int, task: str = "bench.noop", **arguments: Any
) -> list[Submission]:
    """As many jobs of a task, with the settings' time-outs."""
    return [
        Submission(
            task=task,
            arguments=arguments,
            queue=settings.queues[0],
            timeout=settings.default_timeout,
            result_ttl=settings.result_ttl,
        )
        for _ in range(count)
    ]


def submit_ours(url: str, count: int, task: str = "bench.noop", **arguments: Any) -> Pending:
    """Submit jobs to our pool, in batches."""
    settings = our_settings(url)
    finished = Keys(settings.prefix).registry("finished", settings.queues[0])
    with connect(settings, socket_timeout=30) as client:
        before: Any = client.zcard(finished)
        adapter = QueueAdapter(client, settings)
        jobs = submissions(settings, count, task, **arguments)
        for start in range(0, count, BATCH):
            adapter.submit(jobs[start : start + BATCH])
    return Pending(("ZCARD", finished), before + count)


def submit_to_peer(module: str) -> Callable[..., Pending]:
    """What submits jobs by a module of ``benchmarks.peers``."""

    def submit(url: str, *arguments: object) -> Pending:
        told = subprocess.run(
            [str(PEERS), "-m", f"benchmarks.peers.{module}", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"BENCH_REDIS_URL": url, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            text=True,
        )
        document = json.loads(told.stdout)
        return Pending(tuple(document["count"]), document["expected"])

    return submit


def peer(name: str, module: str, *command: str, **options: Any) -> System:
    """A system of ``.venv/bench``."""
    return System(name, (str(PEERS), "-m", *command), submit_to_peer(module), **options)


def ours(processes: int = 1) -> System:
    """Our own pool, with the default settings but for the number of processes."""
    return System(
        "coatcheck" if processes == 1 else f"coatcheck, {processes} processes",
        (sys.executable, "-m", "worker_image"),
        submit_ours,
        {"COATCHECK_TASKS": "benchmarks.tasks", "WORKER_PROCESSES": str(processes)},
        url_variable="REDIS_URL",
        jobs=1500,
        workers=Pending(("SCARD", Keys(our_settings("redis://localhost").prefix).workers), processes),
    )


def _rq(name: str, worker: str, jobs: int) -> System:
    """An RQ worker; ``{url}`` stands for the database, since RQ's command takes it as an option."""
    command = ("rq.cli", "worker", "--quiet", "--url", "{url}", "--worker-class", worker)
    return peer(name, "rq_app", *command, jobs=jobs)


PEER_SYSTEMS: Sequence[System] = (
    _rq("rq worker", "rq.worker.Worker", 80),
    _rq("rq SimpleWorker", "rq.worker.SimpleWorker", 400),
    peer(
        "Celery, prefork 1",
        "celery_app",
        "celery",
        "-A",
        "benchmarks.peers.celery_app",
        "worker",
        "-c",
        "1",
        jobs=1200,
    ),
    peer("SAQ", "saq_app", "saq", "benchmarks.peers.saq_app.settings", jobs=1200),
    peer(
        "dramatiq", "dramatiq_app", "dramatiq", "benchmarks.peers.dramatiq_app", "--processes", "1", jobs=300
    ),
    peer(
        "Huey",
        "huey_app",
        "huey.bin.huey_consumer",
        "benchmarks.peers.huey_app.huey",
        "-w",
        "1",
        "--quiet",
        jobs=2000,
    ),
)


def started(system: System, url: str) -> System:
    """The system with its database's address in its command, where it stands there."""
    return replace(system, command=tuple(part.replace("{url}", url) for part in system.command))
