"""Small, directed runs: each makes the one fault that a certain promise is about."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coatcheck.settings import SETTINGS
from tests.chaos import journal
from tests.chaos.checker import Verdict
from tests.chaos.clients import Clients
from tests.chaos.history import Broken
from tests.chaos.plan import Ask, Order
from tests.chaos.run import Damage, trial
from tests.chaos.system import Layout, System
from tests.support.polling import eventually
from tests.support.processes import ROOT

DEFAULT_LEASE = next(setting.default for setting in SETTINGS if setting.field == "worker_lease")
GRACE = 4.0
"""Seconds in which a run must have ended after its job has."""


def _order(at: float, task: str, token: str, *then: str, key: str = "", **more: Any) -> Order:
    """A request for one job; ``more`` are its arguments, its ``delay``, and whether to ask ``twice``."""
    delay, twice = more.pop("delay", None), more.pop("twice", False)
    ask = Ask(token, f"chaos.{task}", {"token": token, **more}, delay, frozenset(then))
    return Order(at, (ask,), key or None, twice)


def _quick(token: str) -> Ask:
    return Ask(token, "chaos.quick", {"token": token})


def _run(system: System, token: str, number: int = 1, seconds: float = 20) -> journal.Run:
    """The run of that number of a job, once it has begun."""

    def begun() -> journal.Run | None:
        runs = journal.read(system.journal).get(token, [])
        return runs[number - 1] if len(runs) >= number else None

    return eventually(begun, seconds=seconds, what=f"run {number} of {token}")


def _graphs() -> list[Order]:
    """A diamond, and a chain whose first job fails until a client asks again; one more runs all the same."""

    def ask(token: str, task: str, *after: int, then: tuple[str, ...] = (), **more: Any) -> Ask:
        run = more.pop("run", False)
        arguments = {"token": token, **more}
        return Ask(token, f"chaos.{task}", arguments, None, frozenset(then), after=after, run=run)

    diamond = (
        ask("top", "steps", seconds=0.5),
        ask("left", "steps", 0, seconds=0.3),
        ask("right", "steps", 0, seconds=1.0),
        ask("bottom", "quick", 1, 2),
    )
    chain = (
        ask("fails", "flaky", failures=5, then=("retry",)),
        ask("second", "quick", 0),
        ask("third", "quick", 1),
        ask("anyway", "quick", 0, run=True),
    )
    return [Order(0, diamond, "diamond"), Order(0, chain, "chain", twice=True)]


def _nothing(_system: System, _clients: Clients) -> list[Broken]:
    return []


def _alone() -> list[Order]:
    quick = [
        _order(0.03 * number, "quick", f"q{number}", key=f"k{number}", twice=True) for number in range(30)
    ]
    return [
        _order(0, "once", "lasting", seconds=5.0),
        *quick,
        *(_order(1, "flaky", f"f{number}", failures=2) for number in range(2)),
        *(_order(1, "broken", f"b{number}", "retry") for number in range(2)),
        *(_order(1, "quick", f"l{number}", delay=1) for number in range(3)),
        _order(1.5, "steps", "stopped", "stop", seconds=12.0),
    ]


def _pause_the_holder(system: System, token: str) -> Broken:
    """Stop the worker that runs a job until its lease is over and the job is given away."""
    worker = _run(system, token).worker
    broken = Broken("pause-worker", time.monotonic(), pid=worker)
    os.kill(worker, signal.SIGSTOP)
    return broken


def _go_on(broken: Broken) -> list[Broken]:
    with suppress(ProcessLookupError):
        os.kill(broken.pid, signal.SIGCONT)
    broken.ended = time.monotonic()
    return [broken]


def _late_worker(system: System, _clients: Clients) -> list[Broken]:
    broken = _pause_the_holder(system, "held")
    with suppress(AssertionError):
        _run(system, "held", 2, seconds=8)
        eventually(lambda: _run(system, "held").ended, seconds=5)
        time.sleep(0.2)
    return _go_on(broken)


def _late_worker_once(system: System, clients: Clients) -> list[Broken]:
    broken = _pause_the_holder(system, "held")
    with suppress(AssertionError):
        eventually(lambda: all(case.ended for case in clients.history.cases.values()), seconds=8)
    made = _go_on(broken)
    time.sleep(GRACE + 0.5)
    return made


def _killed_workers(system: System, _clients: Clients) -> list[Broken]:
    made = []
    for token in ("twice", "once"):
        worker = _run(system, token).worker
        made.append(Broken("kill-worker", time.monotonic(), time.monotonic(), worker))
        os.kill(worker, signal.SIGKILL)
    return made


def _killed_holder(system: System, _clients: Clients) -> list[Broken]:
    worker = _run(system, "held").worker
    os.kill(worker, signal.SIGKILL)
    return [Broken("kill-worker", time.monotonic(), time.monotonic(), worker)]


def _cuts(system: System, _clients: Clients) -> list[Broken]:
    broken = Broken("cut", time.monotonic())
    _run(system, "q0")
    system.proxy.delay(0.04)
    for number in range(24):
        time.sleep(0.15 + 0.01 * (number % 7))
        system.proxy.cut()
    system.proxy.delay(0)
    broken.ended = time.monotonic()
    return [broken]


def _killed_api(system: System, clients: Clients) -> list[Broken]:
    made = []
    for number in range(1, 4):
        eventually(lambda number=number: len(clients.history.cases) >= number)  # type: ignore[misc]
        pid = system.api.process.pid
        os.kill(pid, signal.SIGKILL)
        made.append(Broken("kill-api", time.monotonic(), time.monotonic(), pid))
    return made


@dataclass(frozen=True)
class Scenario:
    """What is asked for, what is broken meanwhile, and on which system."""

    orders: Callable[[], list[Order]]
    damage: Damage
    layout: dict[str, Any] = field(default_factory=dict)


SCENARIOS: dict[str, Scenario] = {
    "nothing is broken": Scenario(_alone, _nothing, {"pools": 1, "workers": 3}),
    "graphs": Scenario(_graphs, _nothing, {"pools": 1, "workers": 3}),
    "a late worker": Scenario(
        lambda: [_order(0, "steps", "held", seconds=3.5)], _late_worker, {"pools": 2, "workers": 1}
    ),
    "a late worker, at most once": Scenario(
        lambda: [_order(0, "once", "held", seconds=10.0)], _late_worker_once, {"pools": 1, "workers": 1}
    ),
    "killed workers": Scenario(
        lambda: [
            _order(0, "steps", "twice", seconds=2.5),
            _order(0, "once", "once", seconds=2.5, silent=True),
        ],
        _killed_workers,
        {"pools": 1, "workers": 2},
    ),
    "a killed worker, with the default lease": Scenario(
        lambda: [_order(0, "steps", "held", seconds=1.5)],
        _killed_holder,
        {"pools": 1, "workers": 2, "lease": DEFAULT_LEASE},
    ),
    "cut connections": Scenario(
        lambda: [
            *(_order(0, "steps", f"s{number}", seconds=0.6) for number in range(12)),
            Order(
                0,
                tuple(Ask(f"q{number}", "chaos.quick", {"token": f"q{number}"}) for number in range(90)),
                "q",
            ),
        ],
        _cuts,
        {"pools": 1, "workers": 3},
    ),
    "a killed API": Scenario(
        lambda: [_order(1.5 * number, "quick", f"q{number}", key=f"k{number}") for number in range(3)],
        _killed_api,
        {"pools": 1, "workers": 1},
    ),
}


def play(name: str, folder: Path, root: Path = ROOT, patience: float = 40.0) -> Verdict:
    """Play a scenario with the product that lies in ``root``, in a folder for logs."""
    scenario = SCENARIOS[name]
    layout = Layout(root=root, **scenario.layout)
    return trial(folder, layout, scenario.orders(), scenario.damage, patience=patience, grace=GRACE)
