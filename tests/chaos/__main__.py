"""``python -m tests.chaos``: the whole suite, or a part of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.faults import ALL, kinds
from tests.chaos.run import Run, chaos, report


def main() -> int:
    """Run every seed, print what came out of each, and return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many runs (default: 20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default: 1)")
    parser.add_argument("--jobs", type=int, default=1000, help="jobs in each run (default: 1000)")
    parser.add_argument("--seconds", type=float, default=45.0, help="seconds to submit them in (default: 45)")
    parser.add_argument("--gap", type=float, default=1.8, help="seconds between two faults (default: 1.8)")
    parser.add_argument("--faults", nargs="*", choices=ALL, default=kinds(), help="kinds (default: all)")
    parser.add_argument("--keep", type=Path, help="a folder for logs and journals (default: none are kept)")
    options = parser.parse_args()
    broken = lost = 0
    slowest = 0.0
    for seed in range(options.first, options.first + options.seeds):
        run = Run(seed, options.jobs, options.seconds, options.gap, tuple(options.faults))
        with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
            folder = options.keep / f"seed-{seed}" if options.keep else Path(temporary)
            start = time.monotonic()
            verdict = chaos(run, folder)
            seconds = time.monotonic() - start
        print(f"seed {seed}, {seconds:.0f} s\n{report(verdict)}", flush=True)
        broken += len(verdict.problems)
        lost += verdict.lost
        slowest = max(slowest, verdict.slowest(alone=False))
    print(f"{options.seeds} runs: lost {lost}, promises broken {broken}, slowest recovery {slowest:.1f} s")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
