"""A bar chart as SVG: the same figures give the same bytes, and it reads on light and dark pages alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT = 760, 190, 90
TOP, ROW, BAR = 46, 30, 16
STYLE = """\
text{font:13px system-ui,sans-serif;fill:#1f2328}
.title{font-weight:600;font-size:15px}
.axis{fill:#59636e;font-size:11px}
.grid{stroke:#d1d9e0}
.spread{stroke:#1f2328;stroke-width:1.5}
.bar{fill:#8c959f}
.ours{fill:#0969da}
@media (prefers-color-scheme:dark){
text{fill:#f0f6fc}.axis{fill:#9198a1}.grid{stroke:#3d444d}.spread{stroke:#f0f6fc}
.bar{fill:#656c76}.ours{fill:#4493f8}
}"""


@dataclass(frozen=True)
class Bar:
    """A bar: its name, its length, the spread that is drawn on it, and whether it is one of ours."""

    name: str
    value: float
    low: float
    high: float
    ours: bool = False


def bars(title: str, items: Sequence[Bar]) -> str:
    """The chart, on a logarithmic scale: what is compared differs by orders of magnitude."""
    first = math.floor(math.log10(min(item.low for item in items)))
    last = math.ceil(math.log10(max(item.high for item in items)))
    height = TOP + ROW * len(items) + 26
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="10" y="22">{escape(title)}</text>',
    ]

    def place(value: float) -> float:
        share = (math.log10(value) - first) / max(1, last - first)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    bottom = TOP + ROW * len(items)
    for power in range(first, last + 1):
        x = place(10.0**power)
        lines.append(f'<line class="grid" x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{bottom}"/>')
        shown = f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"
        lines.append(f'<text class="axis" x="{x}" y="{bottom + 16}" text-anchor="middle">{shown}</text>')
    for index, item in enumerate(items):
        y = TOP + ROW * index
        middle = y + BAR / 2
        kind = "ours" if item.ours else "bar"
        low, high, end = place(item.low), place(item.high), place(item.value)
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(item.name)}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{round(end - LEFT, 1)}" height="{BAR}"/>',
            f'<line class="spread" x1="{low}" y1="{middle}" x2="{high}" y2="{middle}"/>',
            f'<text x="{high + 6}" y="{y + 13}">{item.value:,.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
