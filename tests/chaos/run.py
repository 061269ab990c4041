"""One run of the suite: a system, its clients, the faults, and the verdict."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import journal
from tests.chaos.checker import Evidence, Verdict, judge
from tests.chaos.clients import Clients
from tests.chaos.faults import carry_out, kinds, schedule
from tests.chaos.history import Broken
from tests.chaos.plan import make_orders
from tests.chaos.rules import RULES
from tests.chaos.system import Layout, System


@dataclass(frozen=True)
class Run:
    """What one run is: its seed, how many jobs within how many seconds, and a fault about each ``gap``.

    ``patience``: seconds that the last jobs may take to end, once nothing is broken any more.
    """

    seed: int
    jobs: int = 1000
    seconds: float = 45.0
    gap: float = 1.8
    kinds: tuple[str, ...] = field(default_factory=kinds)
    patience: float = 90.0


def chaos(run: Run, folder: Path, layout: Layout | None = None) -> Verdict:
    """Carry out a run in a folder, which then has every log and the journal."""
    layout = layout or Layout(replica=True, variables={"WORKER_MEMORY_LIMIT": "80"})
    with System(folder, layout) as system:
        clients = Clients(system.api_port, make_orders(run.seed, run.jobs, run.seconds), run.seed)
        made: list[Broken] = []
        faults = schedule(run.seed, run.kinds, run.seconds, run.gap)
        breaker = threading.Thread(target=lambda: made.extend(carry_out(system, faults)))
        breaker.start()
        clients.run()
        breaker.join()
        clients.wait(run.patience)
        clients.close()
        clients.final_look()
    clients.history.faults = made
    return judge(Evidence(clients.history, journal.read(system.journal)), RULES)


def report(verdict: Verdict) -> str:
    """What came out, for people."""
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(verdict.faults.items()))
    statuses = ", ".join(f"{count} {status}" for status, count in verdict.statuses.most_common())
    lines = [
        f"jobs {verdict.jobs} ({statuses}), runs {verdict.runs}",
        f"faults {verdict.faults.total()}: {faults or 'none'}",
        f"lost {verdict.lost}, run again {verdict.duplicated}, promises broken {len(verdict.problems)},"
        f" slowest recovery {verdict.slowest:.1f} s"
        f" ({len(verdict.recoveries)} killed workers had a job)",
    ]
    return "\n".join([*lines, *(f"  BROKEN {problem}" for problem in verdict.problems[:20])])


def timed(run: Run, folder: Path) -> tuple[Verdict, float]:
    """A run, and the seconds that it took."""
    start = time.monotonic()
    return chaos(run, folder), time.monotonic() - start
