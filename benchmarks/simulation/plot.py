"""Lines over time as SVG: nothing but text, the same for the same figures, readable on white and on black."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 200
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 30, 34
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728")
GREY = "#808080"


def nice(largest: float) -> float:
    """The next 1, 2 or 5 times a power of ten that is not below."""
    power = 1.0
    while power * 10 <= largest:
        power *= 10
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= largest)


def panel(title: str, lines: Mapping[str, Sequence[float]], y: float) -> list[str]:
    """One diagram. Takes a value for each minute and line, and where its upper edge is."""
    top, bottom = y + TOP, y + HEIGHT - BOTTOM
    largest = nice(max(1.0, *(max(values) for values in lines.values())))
    minutes = max(len(values) for values in lines.values())

    def at(minute: float, value: float) -> str:
        across = LEFT + (WIDTH - LEFT - RIGHT) * minute / minutes
        return f"{across:.1f},{bottom - (bottom - top) * value / largest:.1f}"

    parts = [text(LEFT, y + 18, title, weight="bold")]
    for share in (0, 0.5, 1):
        height = bottom - (bottom - top) * share
        parts.append(f'<path d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}" stroke="{GREY}" stroke-opacity="0.3"/>')
        parts.append(text(LEFT - 6, height + 4, f"{largest * share:,g}", anchor="end"))
    for hour in range(minutes // 60 + 1):
        across = float(at(60 * hour, 0).partition(",")[0])
        parts.append(text(across, bottom + 16, f"{hour} h", anchor="middle"))
    for colour, (_, values) in zip(COLOURS, lines.items(), strict=False):
        points = " ".join(at(minute, value) for minute, value in enumerate(values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return parts


def text(
    x: float, y: float, words: str, anchor: str = "start", weight: str = "normal", fill: str = GREY
) -> str:
    """A line of text."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-weight="{weight}" fill="{fill}">{escape(words)}</text>'


def drawing(panels: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """A whole picture: diagrams one below the other; the names of their lines, the same, are at its foot."""
    height = HEIGHT * len(panels) + 28
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">'
    ]
    for number, (title, lines) in enumerate(panels.items()):
        parts += panel(title, lines, number * HEIGHT)
    across = float(LEFT)
    for colour, name in zip(COLOURS, next(iter(panels.values())), strict=False):
        parts.append(text(across, height - 12, f"— {name}", fill=colour))
        across += 24 + 6.6 * len(name)
    return "\n".join([*parts, "</svg>", ""])
