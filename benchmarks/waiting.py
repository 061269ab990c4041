"""How late a client hears of its job's end: one that waits, and one that asks each 500 ms.

``python -m benchmarks.waiting``. Jobs that sleep for a moment, on ``coatcheck up`` with two workers; each way
has the same jobs in each round, at the same time as the other. *Late* is from the job's ``ended_at`` until
the client has the answer, so it holds the answer's own time too.

- *Waiting*: ``GET /jobs/{id}?wait=20``.
- *Asking*: ``GET /jobs/{id}`` again and again, each 500 ms.
- *A crowd*: a submission's time while nobody waits and while a thousand do, and what their waiting takes of a
  core.
"""

from __future__ import annotations

import json
import random
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.harness import Goal, Options, Report, main, rounds, say
from benchmarks.processes import Processes
from benchmarks.servers import Server, cpu_seconds
from coatcheck.keys import Keys
from coatcheck.settings import load

WORKERS = 2
CLIENTS = 4
"""Clients of each way, one job at a time each."""
JOBS = 10
"""Jobs of each client in a round."""
PAUSE = 0.5
"""Seconds between two looks of a client that asks."""
CROWD = 1000
SUBMISSIONS = 100
ASLEEP_SECONDS = 2.0
P50_GOAL, P99_GOAL, CROWD_GOAL = 10.0, 100.0, 2.0


class Api:
    """``coatcheck up`` on a Redis, as its clients see it."""

    def __init__(self, url: str, processes: Processes) -> None:
        parts = urlsplit(url)
        self.address = (str(parts.hostname), int(parts.port or 0))
        self._processes = processes

    def cpu(self) -> float:
        """The processor time of the server's process so far."""
        return cpu_seconds(self._processes.process.pid)

    def client(self) -> Callable[..., Any]:
        """What makes requests on one connection, and returns the documents: ``ask("/jobs/1", {...})``."""
        connection = HTTPConnection(*self.address, timeout=60)

        def ask(path: str, document: Any = None, method: str = "") -> Any:
            body = None if document is None else json.dumps(document)
            connection.request(
                method or ("GET" if body is None else "POST"),
                path,
                body,
                {"Content-Type": "application/json"},
            )
            with connection.getresponse() as answer:
                found = json.load(answer)
                assert answer.status < 300, found
                return found

        return ask


@contextmanager
def started(server: Server) -> Iterator[Api]:
    """The product, with workers that are ready."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        variables = {
            "REDIS_URL": server.url(),
            "COATCHECK_TASKS": "benchmarks.tasks",
            "COATCHECK_AUTH": "none",
        }
        log = Path(name, "log")
        up = ("infra", "up", "--port", "0", "--workers", str(WORKERS), "--data", str(Path(name, "data")))
        processes = stack.enter_context(Processes((sys.executable, "-m", *up), variables, log))
        processes.wait_for(lambda: "http://" in log.read_text(), 30, 0.05)
        api = Api(next(word for word in log.read_text().split() if word.startswith("http://")), processes)
        ask = api.client()
        processes.wait_for(lambda: len(ask("/queues")["queues"][0]["workers"]) == WORKERS, 60, 0.05)
        yield api


def lateness(api: Api, number: int, jobs: int, *, waits: bool) -> list[float]:
    """How late one client hears of the end of each of its jobs, in milliseconds."""
    ask, chance, late = api.client(), random.Random(number), []
    for _ in range(jobs):
        job = ask("/tasks/bench.asleep", {"seconds": round(chance.uniform(0.1, 0.6), 3)})
        address = job["links"]["self"]
        while job["ended_at"] is None:
            if not waits:
                time.sleep(PAUSE)
            job = ask(f"{address}?wait=20" if waits else address)
        late.append(1000 * (time.time() - datetime.fromisoformat(job["ended_at"]).timestamp()))
    return late


def measure_lateness(report: Report, api: Api, jobs: int) -> None:
    """One round of both ways."""
    with ThreadPoolExecutor(2 * CLIENTS) as pool:
        found = {
            name: [pool.submit(lateness, api, number, jobs, waits=waits) for number in range(CLIENTS)]
            for name, waits in (("waiting", True), ("asking each 500 ms", False))
        }
        for name, clients in found.items():
            late = sorted(each for client in clients for each in client.result())
            report.figure(f"{name}: p50", "ms late").values.append(statistics.median(late))
            report.figure(f"{name}: p99", "ms late").values.append(late[int(0.99 * len(late))])


@contextmanager
def crowd(api: Api, server: Server, number: int) -> Iterator[None]:
    """While it lasts, so many clients wait for a job that does not end."""
    ask = api.client()
    job = ask("/tasks/bench.noop?delay=1h", {})
    request = f"GET {job['links']['self']}?wait=25 HTTP/1.1\r\nHost: {api.address[0]}\r\n\r\n".encode()
    channels = Keys(load({"REDIS_URL": server.url()}).prefix).waiter("*")
    with ExitStack() as stack, server.client() as client:
        clients = [stack.enter_context(socket.create_connection(api.address)) for _ in range(number)]
        for each in clients:
            each.sendall(request)
        end = time.monotonic() + 20
        while len(client.pubsub_channels(channels)) < number:
            if time.monotonic() > end:
                raise RuntimeError(f"fewer than {number} requests wait")
            time.sleep(0.1)
        yield
        ask(job["links"]["self"], method="DELETE")
        for each in clients:
            assert each.recv(65536).startswith(b"HTTP/1.1 200 ")


def submission(api: Api, count: int) -> float:
    """The median time of a submission, in milliseconds."""
    ask, times = api.client(), []
    for _ in range(count):
        begin = time.perf_counter()
        ask("/tasks/bench.noop", {})
        times.append(time.perf_counter() - begin)
    return 1000 * statistics.median(times)


def measure_crowd(report: Report, api: Api, server: Server, number: int, count: int) -> None:
    """One round of submissions, alone and beside a crowd."""
    report.figure("submission: nobody waits", "ms").values.append(submission(api, count))
    with crowd(api, server, number):
        report.figure(f"submission: {CROWD:,} wait", "ms").values.append(submission(api, count))
        before, begin = api.cpu(), time.perf_counter()
        time.sleep(ASLEEP_SECONDS)
        share = (api.cpu() - before) / (time.perf_counter() - begin)
        report.figure(f"processor: {CROWD:,} wait", "cores").values.append(share)


def measure(options: Options) -> Report:
    """Measure all of it, round by round."""
    report = Report("waiting")
    jobs, number, count = (2, 20, 10) if options.quick else (JOBS, CROWD, SUBMISSIONS)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * CROWD)), hard))
    with Server() as server, started(server) as api:
        report.versions = {"server": server.version}
        for round_number in rounds(options):
            say(f"waiting: round {round_number + 1}")
            measure_lateness(report, api, jobs)
            measure_crowd(report, api, server, number, count)
    _goals(report)
    return report


def _goals(report: Report) -> None:
    name = "late, p50: asking each 500 ms / waiting"
    report.ratio(name, "asking each 500 ms: p50", "waiting: p50", P50_GOAL)
    late = report.figure("waiting: p99", "ms late").values
    report.goals.append(Goal("late, p99: waiting", P99_GOAL, late, at_least=False, unit="ms"))
    alone, beside = "submission: nobody waits", f"submission: {CROWD:,} wait"
    report.ratio(f"submission: {CROWD:,} wait / nobody", beside, alone, CROWD_GOAL, at_least=False)


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
