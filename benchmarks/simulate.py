"""How the stack's scaling does under several loads, beside other ways to scale and other settings.

``python -m benchmarks.simulate`` prints the tables of docs/scale.md in some seconds, on any machine: it is a
model (benchmarks/simulation/), and its settings are read from template.yaml. ``--write`` puts the tables and
the picture into docs/; ``--seed`` takes other random numbers, to see what is chance.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.simulation.load import SEED
from benchmarks.simulation.plot import drawing
from benchmarks.simulation.report import Report
from benchmarks.simulation.scaling import from_template
from infra.template import ROOT

PAGE = ROOT / "docs" / "scale.md"
PICTURE = ROOT / "docs" / "images" / "scaling.svg"
SHOWN = "Monday morning"
"""The load of the picture."""


def tables(report: Report) -> dict[str, str]:
    """The tables by the names that their marks in the page have."""
    return {
        "loads": report.loads(),
        "comparison": report.comparison(),
        "sweep": report.sweep(),
        "costs": report.costs(),
    }


def picture(report: Report) -> str:
    """Jobs that wait and containers that are up, over the time of one load, as SVG."""
    rows = [row for row in report.rows if row.scenario.name == SHOWN]
    names = {rows[0].policy: rows[0], rows[2].policy: rows[2], rows[4].policy: rows[4]}
    waiting = {name: [minute[0] for minute in row.outcome.minutes] for name, row in names.items()}
    up = {name: [minute[1] for minute in row.outcome.minutes] for name, row in names.items()}
    return drawing({f"{SHOWN}: jobs that wait": waiting, "Containers that are up": up})


def filled(page: str, made: dict[str, str]) -> str:
    """A page with the tables between their marks. Raises ValueError when a mark is missing."""
    for name, table in made.items():
        before, mark, rest = page.partition(f"<!-- simulate: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if not mark or not end:
            raise ValueError(f"the page has no place for the table {name}")
        page = f"{before}{mark}{table}\n{end}{after}"
    return page


def main() -> int:
    """Print the tables, or write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=SEED, help=f"of the random numbers (default: {SEED})")
    parser.add_argument("--write", action="store_true", help="put tables and picture into docs/")
    options = parser.parse_args()
    report = Report(from_template(), options.seed)
    made = tables(report)
    print("\n\n".join(made.values()))
    if options.write:
        PAGE.write_text(filled(PAGE.read_text(), made))
        PICTURE.write_text(picture(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
