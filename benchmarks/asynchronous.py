"""How long one worker process takes for a thousand async tasks that each wait for 0.1 s.

``python -m benchmarks.asynchronous``. Measured like the throughput (from SIGCONT to the last result in
Redis), beside SAQ, an async queue, with room for 100 tasks at once. One after the other they take 100 s: a
run is broken off after some seconds, and the time for all is reckoned from the tasks that had ended.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import Goal, Options, Report, main, rounds, say
from benchmarks.servers import Server
from benchmarks.systems import Pending, ours, peer, submit_ours, submit_to_peer
from benchmarks.throughput import run_once, versions

TASKS = 1000
SLEEP = 0.1
CONCURRENCY = "100"
"""Tasks that SAQ may have at once."""
GOAL = 2.0
"""Seconds for all of them."""
LIMIT = 6.0
"""Seconds after which a run is broken off."""


def _submit_ours(url: str, count: int) -> Pending:
    return submit_ours(url, count, "bench.asleep", seconds=SLEEP)


def _submit_saq(url: str, count: int) -> Pending:
    return submit_to_peer("saq_app")(url, count, SLEEP)


def measure(options: Options) -> Report:
    """Measure both, round by round."""
    report = Report("asynchronous")
    saq = peer("SAQ, 100 at once", "saq_app", "saq", "benchmarks.peers.saq_app.settings")
    systems = (
        replace(ours(), submit=_submit_ours),
        replace(saq, submit=_submit_saq, variables={"BENCH_CONCURRENCY": CONCURRENCY}),
    )
    count = 20 if options.quick else TASKS
    with Server() as server, tempfile.TemporaryDirectory() as name:
        report.versions = versions() | {"server": server.version}
        for round_number in rounds(options):
            for database, system in enumerate(systems):
                say(f"asynchronous: round {round_number + 1}, {system.name}")
                found = run_once(system, server, database, count, Path(name), LIMIT, options.ahead)
                report.figure(system.name, f"s for {TASKS:,}").values.append(TASKS / found.rate)
    seconds = report.figures[0].values
    report.goals.append(Goal(f"{TASKS:,} tasks that wait {SLEEP} s", GOAL, seconds, False, "s"))
    return report


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
