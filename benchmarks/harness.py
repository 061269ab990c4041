"""What all benchmarks share: interleaved rounds, figures, goals, and what is made of them.

Everything that is compared is measured side by side: a round measures each thing once, one after the
other, and the next round does it all again (A B C A B C ...), so that whatever else the machine does meets
all of them. A figure is the list of its rounds' values; shown are the median and the spread.

**The rule for goals.** A goal is about a number of each round, mostly a ratio of two figures that were
measured right after each other. It is *met* when the median reaches it. It is *missed*, and the benchmark
fails, when not even the best of the rounds reaches it. What lies between is *noise*: the median does not
reach it, the best round does; that is shown and fails nothing. If the true median did reach the goal, each
round would still miss it by noise at most half of the time, and five of five at most 3 % of the time
(1/2^5): so what is called missed can't well be explained by noise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
"""Where each benchmark leaves its figures as JSON; git ignores it."""
ROUNDS = 5


@dataclass(frozen=True)
class Options:
    """How to measure. ``quick``: one round of little work, to see that all still runs.

    ``only``: what to measure, where a benchmark has several things side by side; none: all of them.
    ``ahead``: what is measured goes before all else on this machine, where a benchmark can do that.
    """

    quick: bool = False
    rounds: int = ROUNDS
    only: tuple[str, ...] = ()
    ahead: bool = False

    def wants(self, name: str) -> bool:
        """Whether that is to be measured."""
        return not self.only or name in self.only


@dataclass
class Figure:
    """A number of each round. ``note``: what stands beside it, such as its command's options."""

    name: str
    unit: str
    values: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)


@dataclass
class Goal:
    """A bound for a number of each round: at least, or else at most that."""

    name: str
    bound: float
    values: list[float]
    at_least: bool = True
    unit: str = "x"

    @property
    def verdict(self) -> str:
        """``met``, ``noise`` or ``missed``: see the module's docstring."""
        if self._reached(statistics.median(self.values)):
            return "met"
        best = max(self.values) if self.at_least else min(self.values)
        return "noise" if len(self.values) > 1 and self._reached(best) else "missed"

    def _reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass
class Report:
    """What a benchmark found. ``tables`` are further ones: a title, and rows with a head."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    rounds: int = 0
    seconds: float = 0.0
    machine: str = ""

    def figure(self, name: str, unit: str, note: str = "") -> Figure:
        """The figure of that name, made when it is asked for the first time."""
        for figure in self.figures:
            if figure.name == name:
                return figure
        self.figures.append(Figure(name, unit, note=note))
        return self.figures[-1]

    def ratio(self, name: str, above: str, below: str, bound: float, *, at_least: bool = True) -> None:
        """A goal for the ratio of two figures, round by round; none when one of them was not wanted."""
        found = {figure.name: figure.values for figure in self.figures}
        if above in found and below in found:
            values = [a / b for a, b in zip(found[above], found[below], strict=True)]
            self.goals.append(Goal(name, bound, values, at_least))

    def save(self) -> Path:
        """Write it as JSON. Returns the file."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read what ``save`` wrote."""
        document: dict[str, Any] = json.loads(path.read_text())
        document["figures"] = [Figure(**figure) for figure in document["figures"]]
        document["goals"] = [Goal(**goal) for goal in document["goals"]]
        return cls(**document)


def rounds(options: Options) -> range:
    """The rounds to measure; tells on standard error how far it is."""
    return range(1 if options.quick else options.rounds)


def say(text: str) -> None:
    """Tell the one who waits what is going on."""
    print(text, file=sys.stderr, flush=True)


def number(value: float) -> str:
    """A number with three significant digits or so, the thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def figure_rows(figures: Sequence[Figure]) -> list[list[str]]:
    """The figures as a table."""
    rows = [["", "median", "min", "max", "unit", ""]]
    for figure in figures:
        low, high = number(min(figure.values)), number(max(figure.values))
        rows.append([figure.name, number(figure.median), low, high, figure.unit, figure.note])
    return rows


def goal_rows(goals: Sequence[Goal]) -> list[list[str]]:
    """The goals as a table."""
    rows = [["goal", "median", "worst", "best", "bound", ""]]
    for goal in goals:
        worst, best = (min, max) if goal.at_least else (max, min)
        shown = [
            number(statistics.median(goal.values)),
            number(worst(goal.values)),
            number(best(goal.values)),
        ]
        sign = ">=" if goal.at_least else "<="
        rows.append([goal.name, *shown, f"{sign} {number(goal.bound)} {goal.unit}", goal.verdict])
    return rows


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table of Markdown that can be read as it is; numbers stand to the right."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    numeric = [
        all(_looks_numeric(row[column]) for row in rows[1:]) and len(rows) > 1
        for column in range(len(rows[0]))
    ]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append(f"| {' | '.join(cells)} |")
    rule = [
        "-" * (width - 1) + ":" if right else "-" * width
        for width, right in zip(widths, numeric, strict=True)
    ]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _looks_numeric(text: str) -> bool:
    return text.lstrip("-").replace(",", "").replace(".", "").removesuffix("x").isdigit()


def show(report: Report) -> None:
    """Print a report."""
    print(f"\n## {report.name} ({report.rounds} rounds, {report.seconds:.0f} s)\n")
    print(table(figure_rows(report.figures)))
    for title, rows in report.tables.items():
        print(f"\n{title}\n\n{table(rows)}")
    if report.goals:
        print(f"\n{table(goal_rows(report.goals))}")


def machine() -> str:
    """What it was measured on."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if "model name" in line
        ]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, Python {platform.python_version()}"


def measured(measure: Callable[[Options], Report], options: Options) -> Report:
    """Run a benchmark, keep what it found (unless quick), and return it."""
    begin = time.monotonic()
    report = measure(options)
    report.rounds = len(rounds(options))
    report.seconds = time.monotonic() - begin
    report.machine = machine()
    if not options.quick and not options.only:
        report.save()
    return report


def failed(goals: Sequence[Goal]) -> bool:
    """Whether a goal is missed in a way that noise can't explain."""
    return any(goal.verdict == "missed" for goal in goals)


def main(measure: Callable[[Options], Report], description: str | None) -> int:
    """The command of one benchmark. Returns 1 when a goal is missed; a quick run judges nothing."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    options = parse(parser)
    end_in_order()
    report = measured(measure, options)
    show(report)
    return int(failed(report.goals) and not options.quick)


def end_in_order() -> None:
    """Have SIGTERM end this process like Ctrl-C, so that what it started is ended too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> Options:
    """The options of a benchmark's command."""
    parser.add_argument("--quick", action="store_true", help="one round of little work; judges nothing")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default: {ROUNDS})")
    parser.add_argument("--only", metavar="NAMES", default="", help="what to measure, separated by ;")
    parser.add_argument("--ahead", action="store_true", help="measure before all else on this machine (root)")
    found = parser.parse_args(arguments)
    only = tuple(name for name in found.only.split(";") if name)
    return Options(found.quick, found.rounds, only, found.ahead)
