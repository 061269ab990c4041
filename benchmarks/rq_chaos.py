"""The chaos suite's workload on plain RQ 3 and on Coatcheck: ``python -m benchmarks.rq_chaos``.

The same jobs from the same seed, the same faults at the same seconds, the same journal. RQ gets what it
offers for safety: one queue for each worker (then it moves a job to a list of its own when it takes it),
the JSON serializer, a job id that a repeated request repeats, and three retries for all that may run twice.
Its API is a function call, so its clients have no HTTP in between.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import redis
from rq import Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer

from coatcheck.connection import as_text
from tests.chaos import journal
from tests.chaos.faults import carry_out, schedule
from tests.chaos.history import Broken
from tests.chaos.plan import AT_MOST_ONCE, Ask, make_orders
from tests.chaos.run import Run, chaos
from tests.chaos.system import Child, Layout, System, sleep_until

KINDS = (
    "kill-worker",
    "kill-horse",
    "kill-redis",
    "pause-worker",
    "pause-redis",
    "cut",
    "delay",
    "black-hole",
)
"""Faults that both can meet."""
RETRIES = 3
ENDED = ("finished", "failed", "stopped", "canceled")


@dataclass(frozen=True)
class Row:
    """What came of one side. ``recoveries``: seconds; infinity where nothing came."""

    name: str
    accepted: int
    lost: int
    detail: str
    unsafe: int
    recoveries: list[float]

    def __str__(self) -> str:
        known = [seconds for seconds in self.recoveries if seconds < float("inf")]
        never = len(self.recoveries) - len(known)
        slowest = f"{max(known):.1f} s" if known else "-"
        return (
            f"{self.name:10} {self.accepted:8} {self.lost:5} {self.unsafe:18} {len(self.recoveries):8}"
            f" {slowest:>8} {never:13}   {self.detail}"
        )


class RqSystem(System):
    """Plain ``rq worker`` processes instead of the API and the pools."""

    def start_product(self, stack: ExitStack) -> None:
        """Start the workers, with their end on the stack."""
        url = self._environ["REDIS_URL"]
        self._environ["RQ_KEY_PREFIX"] = "rq"
        options = ("--url", url, "--serializer", "json", "--with-scheduler", "--quiet", "default")
        for number in range(self.layout.pools * self.layout.workers):
            worker = self.start_child(f"worker-{number}", "-m", "rq.cli", "worker", *options)
            stack.callback(worker.end, 5)
            self.pools.append(worker)

    def answers(self) -> bool:
        """There is no API."""
        return True

    def workers(self, pools: Sequence[Child] | None = None) -> list[int]:
        """The processes of all workers."""
        return [pool.process.pid for pool in (self.pools if pools is None else pools)]

    def horses(self) -> list[int]:
        """The processes that run a job now; before any did, the workers: so their start can be waited for."""
        if not self.journal.exists():
            return self.workers()
        below = {pid: _parent(pid) for pid in _processes()}
        return [pid for pid, parent in below.items() if parent in self.workers()]


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def enqueue(queue: Queue, ask: Ask) -> bool:
    """Submit one job as a careful client does: again with the same id, until RQ has taken it."""
    retry = None if ask.task in (AT_MOST_ONCE, "chaos.broken") else Retry(max=RETRIES)
    call = {"job_id": ask.token, "retry": retry, "result_ttl": 86400, "kwargs": ask.arguments}
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            function = f"tests.chaos.tasks.{ask.task}"
            if ask.delay is None:
                queue.enqueue(function, **call)
            else:
                queue.enqueue_in(timedelta(seconds=ask.delay), function, **call)
            return True
        except redis.RedisError:
            time.sleep(0.3)
            try:
                if Job.exists(ask.token, connection=queue.connection):
                    return True
            except redis.RedisError:
                continue
    return False


def run_rq(run: Run, folder: Path, wait: float) -> Row:
    """The workload on RQ. Waits up to ``wait`` seconds for the last jobs."""
    os.environ["RQ_KEY_PREFIX"] = "rq"
    orders = make_orders(run.seed, run.jobs, run.seconds)
    accepted: set[str] = set()
    with RqSystem(folder, Layout()) as system:
        start = time.monotonic()
        made: list[Broken] = []
        faults = schedule(run.seed, run.kinds, run.seconds, run.gap)
        breaker = threading.Thread(target=lambda: made.extend(carry_out(system, faults)))
        breaker.start()
        turns, lock = iter(orders), threading.Lock()

        def submit() -> None:
            client = redis.Redis(port=system.proxy.port, socket_timeout=2)
            queue = Queue("default", connection=client, serializer=JSONSerializer)
            while True:
                with lock:
                    order = next(turns, None)
                if order is None:
                    return
                sleep_until(start + order.at)
                accepted.update(ask.token for ask in order.asks if enqueue(queue, ask))

        threads = [threading.Thread(target=submit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in [*threads, breaker]:
            thread.join()
        with system.primary.client() as client:
            end = time.monotonic() + wait
            while time.monotonic() < end and (left := _statuses(client, accepted)):
                time.sleep(1)
            left = _statuses(client, accepted)
            ended = {token: _ended_at(client, token) for token in accepted - left.keys()}
    runs = journal.read(system.journal)
    once = {ask.token for order in orders for ask in order.asks if ask.task == AT_MOST_ONCE}
    unsafe = sum(len(runs.get(token, ())) > 1 for token in once)
    counts = {status: list(left.values()).count(status) for status in sorted(set(left.values()))}
    detail = ", ".join(f"{count} {status}" for status, count in counts.items())
    return Row("rq 3", len(accepted), len(left), detail, unsafe, _recoveries(runs, made, ended))


def _statuses(client: redis.Redis, tokens: set[str]) -> dict[str, str]:
    """The jobs that have not ended, and how they stand."""
    pipeline = client.pipeline(transaction=False)
    names = sorted(tokens)
    for token in names:
        pipeline.hget(f"rq:job:{token}", "status")
    statuses = [status.decode() if status else "gone" for status in pipeline.execute()]
    return {name: status for name, status in zip(names, statuses, strict=True) if status not in ENDED}


def _ended_at(client: redis.Redis, token: str) -> float:
    """When a job ended, by the monotonic clock."""
    text = client.hget(f"rq:job:{token}", "ended_at")
    if not text:
        return float("inf")
    moment = datetime.fromisoformat(as_text(text)).astimezone(UTC)
    return time.monotonic() - (datetime.now(UTC) - moment).total_seconds()


def _recoveries(
    runs: dict[str, list[journal.Run]], made: list[Broken], ended: dict[str, float]
) -> list[float]:
    found = []
    everything = list(itertools.chain.from_iterable(runs.values()))
    for kill in made:
        held = [run for run in everything if run.worker == kill.pid and run.began < kill.began]
        if kill.kind == "kill-worker" and held:
            run = max(held, key=lambda run: run.began)
            if run.ended is None or run.ended > kill.began:
                nexts = [other.began for other in runs[run.token] if other.began > kill.began]
                nexts.append(ended.get(run.token, float("inf")))
                found.append(max(0.0, min(nexts) - kill.began))
    return found


def run_coatcheck(run: Run, folder: Path) -> Row:
    """The same on Coatcheck."""
    verdict = chaos(run, folder, Layout(lease=12))
    unsafe = sum(problem.rule == "at most once" for problem in verdict.problems)
    seconds = [seconds for seconds, _ in verdict.recoveries]
    return Row("Coatcheck", verdict.jobs, verdict.lost, "", unsafe, seconds)


def main() -> int:
    """Run both and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rq_chaos")
    parser.add_argument("--jobs", type=int, default=500, help="how many jobs (default: 500)")
    parser.add_argument("--seconds", type=float, default=40.0, help="within how many seconds (default: 40)")
    parser.add_argument("--gap", type=float, default=2.5, help="seconds between two faults (default: 2.5)")
    parser.add_argument("--seed", type=int, default=1, help="decides jobs and faults (default: 1)")
    parser.add_argument(
        "--wait",
        type=float,
        default=90.0,
        help="seconds that RQ's last jobs get; 720 is enough (default: 90)",
    )
    options = parser.parse_args()
    run = Run(options.seed, options.jobs, options.seconds, options.gap, KINDS)
    with tempfile.TemporaryDirectory(prefix="rq-chaos-") as folder:
        rows = [
            run_rq(run, Path(folder, "rq"), options.wait),
            run_coatcheck(run, Path(folder, "coatcheck")),
        ]
    print(f"{'':10} accepted  lost  run twice, though    killed  slowest   not recovered   lost ones are")
    print(f"{'':10}                 once was asked for   workers recovery  within the wait")
    for row in rows:
        print(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
