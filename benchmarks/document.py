"""Puts the last full run's figures into ``docs/performance.md``, and draws its plot.

``python -m benchmarks.document``. The text of the document is written by hand; what lies between
``<!-- NAME: ... -->`` and ``<!-- end -->`` is made of ``benchmarks/results/NAME.json``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness import RESULTS, Report, figure_rows, goal_rows, table
from benchmarks.plot import Bar, bars
from benchmarks.processes import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "images" / "throughput.svg"
BLOCK = re.compile(r"(<!-- (\w+): made by benchmarks/document\.py -->\n).*?(<!-- end -->)", re.DOTALL)


def reports(folder: Path = RESULTS) -> dict[str, Report]:
    """The last full run of each benchmark, by name."""
    return {path.stem: Report.load(path) for path in sorted(folder.glob("*.json"))}


def section(report: Report) -> str:
    """A report as Markdown."""
    parts = [f"{report.rounds} rounds; {_versions(report)}."] if report.versions else []
    if report.figures:
        parts.append(table(figure_rows(report.figures)))
    for title, rows in report.tables.items():
        parts += [f"{title}:", table(rows)]
    if report.goals:
        parts.append(table(goal_rows(report.goals)))
    return "\n\n".join(parts)


def _versions(report: Report) -> str:
    known = dict(report.versions)
    server = known.pop("server", "")
    return ", ".join([server, *(f"{name} {version}" for name, version in known.items())])


def fill(text: str, found: Mapping[str, Report]) -> str:
    """The document with its blocks made anew; a block without a report stays as it is."""

    def block(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        if name == "machine" and found:
            return f"{begin}\n{next(iter(found.values())).machine}.\n\n{end}"
        return f"{begin}\n{section(found[name])}\n\n{end}" if name in found else match.group()

    return BLOCK.sub(block, text)


def plot(report: Report) -> str:
    """The chart of the throughput, the fastest first."""
    figures = [figure for figure in report.figures if figure.unit == "jobs/s"]
    items = [
        Bar(figure.name, figure.median, min(figure.values), max(figure.values), _is_ours(figure.name))
        for figure in sorted(figures, key=lambda figure: -figure.median)
    ]
    return bars("No-op jobs per second, one worker process each (logarithmic scale)", items)


def _is_ours(name: str) -> bool:
    return name.startswith("coatcheck")


def main() -> int:
    """Write both files. Returns 1 when there is nothing to write."""
    found = reports()
    if not found:
        print("there are no results: run 'make bench' first", file=sys.stderr)
        return 1
    DOCUMENT.write_text(fill(DOCUMENT.read_text(), found))
    if "throughput" in found:
        PLOT.write_text(plot(found["throughput"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
