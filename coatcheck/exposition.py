"""Figures as Prometheus reads them: its text format, version 0.0.4 ("Exposition formats", prometheus.io).

Our own since it is so little: the client library would cost each start of a function, and would have to be
in each image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(slots=True)
class Family:
    """One metric: its name, its kind (counter, gauge or histogram), what it means, and its samples."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, Mapping[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        """Add a sample of a counter or a gauge."""
        self.samples.append(("", labels, value))

    def add_histogram(
        self, bounds: Iterable[float], counts: Iterable[int], total: float, **labels: str
    ) -> None:
        """Add a histogram. Takes the buckets' bounds, how many are in each and above the last, the sum."""
        edges = [f"{bound:g}" for bound in bounds] + ["+Inf"]
        sums = list(accumulate(counts))
        for edge, count in zip(edges, sums, strict=True):
            self.samples.append(("_bucket", {**labels, "le": edge}, count))
        self.samples += [("_sum", labels, total), ("_count", labels, sums[-1])]


def render(families: Iterable[Family]) -> str:
    """The text of all families."""
    lines: list[str] = []
    for family in families:
        text = family.help.replace("\\", "\\\\").replace("\n", "\\n")
        lines += [f"# HELP {family.name} {text}", f"# TYPE {family.name} {family.kind}"]
        for suffix, labels, value in family.samples:
            shown = ",".join(f'{name}="{_escaped(label)}"' for name, label in labels.items())
            lines.append(
                f"{family.name}{suffix}{{{shown}}} {value!r}" if shown else f"{family.name}{suffix} {value!r}"
            )
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
