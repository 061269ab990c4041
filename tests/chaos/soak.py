"""``python -m tests.chaos.soak``: half an hour of mixed work and faults, with an eye on memory."""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import journal
from tests.chaos.checker import Evidence, Verdict, judge
from tests.chaos.clients import Clients
from tests.chaos.faults import CLOCK, carry_out, kinds, schedule
from tests.chaos.plan import make_orders
from tests.chaos.rules import RULES
from tests.chaos.run import report
from tests.chaos.system import Layout, System, resident

MIB = 1024 * 1024
SAMPLE_SECONDS = 5.0
"""How often memory is looked at."""
TTL = "240"
FORGET_SECONDS = 30.0
"""How long a client looks at a job that is over."""
NAMES = ("API", "worker", "Redis")


@dataclass
class Memory:
    """Samples of one process' memory: seconds since the start, and MiB. A new process starts a new row."""

    rows: list[list[tuple[float, float]]] = field(default_factory=list)
    _pid: int = 0

    def take(self, pid: int, seconds: float, size: int) -> None:
        """Take a sample of a process in."""
        if pid != self._pid:
            self._pid = pid
            self.rows.append([])
        if size:
            self.rows[-1].append((seconds, size / MIB))

    def slope(self, after: float) -> float | None:
        """MiB per hour of the longest row after that second; None: none is long enough to tell."""
        rows = [[point for point in row if point[0] >= after] for row in self.rows]
        longest = max(rows, key=len, default=[])
        return _slope(longest) * 3600 if len(longest) >= 10 else None

    @property
    def last(self) -> float:
        """The last sample, in MiB."""
        return next((row[-1][1] for row in reversed(self.rows) if row), 0.0)


def _slope(points: list[tuple[float, float]]) -> float:
    """The slope of the straight line that fits points best (least squares)."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


@dataclass(frozen=True)
class Soak:
    """What came of it: the verdict, and each part's memory at the end and its slope in MiB an hour."""

    verdict: Verdict
    memory: dict[str, tuple[float, float | None]]


def soak(folder: Path, minutes: float, gap: float, rate: float, seed: int) -> Soak:
    """Run for that many minutes, with a fault about each ``gap`` seconds and ``rate`` jobs a second.

    The API, Redis and one of the two workers are not killed, but paused and cut off: it is their growth
    that is looked for.
    """
    seconds = minutes * 60
    gentle = tuple(kind for kind in kinds() if kind not in CLOCK | {"kill-api", "kill-redis", "fail-over"})
    # A job is kept long enough for its client to look at its end, also on a slow machine, and gone well
    # before the soak ends.
    short = dict.fromkeys(("COATCHECK_RESULT_TTL", "COATCHECK_FAILURE_TTL", "COATCHECK_IDEMPOTENCY_TTL"), TTL)
    layout = Layout(pools=2, workers=1, lease=4, spared=1, variables=short)
    with System(folder, layout) as system:
        clients = Clients(
            system.api_port, make_orders(seed, int(rate * seconds), seconds), seed, forget=FORGET_SECONDS
        )
        faults = schedule(seed, gentle, seconds, gap)
        memory = {name: Memory() for name in NAMES}
        ending = threading.Event()
        start = time.monotonic()
        sampler = threading.Thread(target=_sample, args=(system, memory, start, ending))
        sampler.start()
        with ThreadPoolExecutor() as executor:
            made = executor.submit(carry_out, system, faults)
            clients.run()
            clients.history.faults = made.result()
        clients.wait(60)
        ending.set()
        sampler.join()
        clients.close()
        clients.history.findings = system.examine()
    # A job that nobody had an answer for may be gone by now.
    rules = {name: rule for name, rule in RULES.items() if name != "no run without a job"}
    verdict = judge(Evidence(clients.history, journal.read(system.journal)), rules)
    return Soak(verdict, {name: (row.last, row.slope(seconds / 3)) for name, row in memory.items()})


def _sample(system: System, memory: dict[str, Memory], start: float, ending: threading.Event) -> None:
    looks: dict[str, Callable[[], tuple[int, int]]] = {
        "API": lambda: (system.api.process.pid, resident(system.api.process.pid)),
        "worker": lambda: next(((pid, resident(pid)) for pid in system.workers(system.pools[-1:])), (0, 0)),
        "Redis": lambda: (system.primary.pid, system.primary.memory()),
    }
    while not ending.wait(SAMPLE_SECONDS):
        for name, look in looks.items():
            try:
                pid, size = look()
            except Exception:  # Redis may be stopped just now
                continue
            memory[name].take(pid, time.monotonic() - start, size)


def main() -> int:
    """Run it, print what came out, and return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: 30)")
    parser.add_argument("--gap", type=float, default=20.0, help="seconds between two faults (default: 20)")
    parser.add_argument("--rate", type=float, default=4.0, help="jobs a second (default: 4)")
    parser.add_argument("--seed", type=int, default=1, help="decides jobs and faults (default: 1)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = soak(Path(folder), options.minutes, options.gap, options.rate, options.seed)
    print(report(found.verdict))
    for name, (size, slope) in found.memory.items():
        shown = "too short to tell" if slope is None else f"{slope:+.2f} MiB/h"
        print(f"memory of {name:7} {size:7.1f} MiB at the end, slope over the last two thirds {shown}")
    return int(bool(found.verdict.problems))


if __name__ == "__main__":
    sys.exit(main())
