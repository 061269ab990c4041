"""``python -m benchmarks``: all of them, then every goal in one table. ``make bench`` runs it.

Exits with 1 when a goal is missed in a way that noise can't explain (``benchmarks/harness.py`` has the rule).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from benchmarks import (
    asynchronous,
    authorisation,
    breakdown,
    files,
    growth,
    package,
    requests,
    throughput,
    waiting,
)
from benchmarks.harness import end_in_order, failed, goal_rows, measured, parse, show, table

BENCHMARKS = {
    "throughput": throughput.measure,
    "breakdown": breakdown.measure,
    "asynchronous": asynchronous.measure,
    "requests": requests.measure,
    "authorisation": authorisation.measure,
    "waiting": waiting.measure,
    "package": package.measure,
    "files": files.measure,
    "growth": growth.measure,
}


def main() -> int:
    """Run them one after the other; ``--only`` names some. Returns the exit status."""
    options = parse(argparse.ArgumentParser(description="Runs all benchmarks."))
    end_in_order()
    goals, seconds = [], 0.0
    for name, measure in BENCHMARKS.items():
        if options.wants(name):
            report = measured(measure, replace(options, only=()))
            show(report)
            goals += report.goals
            seconds += report.seconds
    print(f"\n## All goals ({seconds:.0f} s)\n\n{table(goal_rows(goals))}")
    return int(failed(goals) and not options.quick)


if __name__ == "__main__":
    sys.exit(main())
