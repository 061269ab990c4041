"""One run of the suite: a system, its clients, the faults, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import journal
from tests.chaos.checker import Evidence, Verdict, judge
from tests.chaos.clients import Clients
from tests.chaos.faults import carry_out, kinds, schedule
from tests.chaos.history import Broken
from tests.chaos.plan import Order, make_orders
from tests.chaos.rules import RULES
from tests.chaos.system import Layout, System

Damage = Callable[[System, Clients], list[Broken]]
"""Breaks a system while its clients are at work, and tells what it broke."""


@dataclass(frozen=True)
class Run:
    """What one run is: its seed, how many jobs within how many seconds, and a fault about each ``gap``.

    ``patience``: seconds in which some job must end, once nothing is broken any more.
    """

    seed: int
    jobs: int = 1000
    seconds: float = 45.0
    gap: float = 1.8
    kinds: tuple[str, ...] = field(default_factory=kinds)
    patience: float = 60.0


def chaos(run: Run, folder: Path, layout: Layout | None = None) -> Verdict:
    """Carry out a run in a folder, which then has every log and the journal."""
    faults = schedule(run.seed, run.kinds, run.seconds, run.gap)
    return trial(
        folder,
        layout or Layout(replica=True, variables={"WORKER_MEMORY_LIMIT": "80"}),
        make_orders(run.seed, run.jobs, run.seconds),
        lambda system, _clients: carry_out(system, faults),
        patience=run.patience,
        seed=run.seed,
    )


def trial(
    folder: Path,
    layout: Layout,
    orders: list[Order],
    damage: Damage,
    *,
    patience: float = 40.0,
    grace: float = 10.0,
    seed: int = 0,
) -> Verdict:
    """Start a system, let clients carry out orders while it is damaged, and judge what came of it."""
    with System(folder, layout) as system:
        clients = Clients(system.api_port, orders, seed)
        with ThreadPoolExecutor() as executor:
            made = executor.submit(damage, system, clients)
            clients.run()
            clients.history.faults = made.result()
        clients.wait(patience)
        clients.close()
        clients.final_look()
        clients.history.findings = system.examine()
    return judge(Evidence(clients.history, journal.read(system.journal), grace), RULES)


def report(verdict: Verdict) -> str:
    """What came out, for people."""
    faults = ", ".join(f"{count} {kind}" for kind, count in sorted(verdict.faults.items()))
    statuses = ", ".join(f"{count} {status}" for status, count in verdict.statuses.most_common())
    lines = [
        f"jobs {verdict.jobs} ({statuses}), runs {verdict.runs}",
        f"faults {verdict.faults.total()}: {faults or 'none'}",
        f"lost {verdict.lost}, run again {verdict.duplicated}, promises broken {len(verdict.problems)}",
        f"killed workers that had a job {len(verdict.recoveries)}, slowest recovery"
        f" {verdict.slowest(alone=True):.1f} s ({verdict.slowest(alone=False):.1f} s beside other faults)",
    ]
    return "\n".join([*lines, *(f"  BROKEN {problem}" for problem in verdict.problems[:20])])
