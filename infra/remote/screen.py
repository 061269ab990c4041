"""What the commands print: tables on a terminal, plain lines in a pipe, JSON when asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDE = 100_000
"""Columns of what is no terminal: nothing is cut or wrapped there."""
COLOURS = {
    "finished": "green",
    "failed": "red",
    "stopped": "yellow",
    "canceled": "yellow",
    "started": "blue",
}
"""rich leaves them out in a pipe and with NO_COLOR."""


@cache
def output() -> Console:
    """Where results go."""
    return _console(sys.stdout)


@cache
def errors() -> Console:
    """Where everything else goes."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() else WIDE
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False, soft_wrap=not width)


def document(value: Any) -> None:
    """Print JSON: indented for people, in one line for programs."""
    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps(value, indent=indent, ensure_ascii=False), flush=True)


def show(what: RenderableType) -> None:
    """Print a table; in a pipe without the spaces at the ends of its lines."""
    console = output()
    if console.is_terminal:
        console.print(what)
        return
    with console.capture() as capture:
        console.print(what)
    for line in capture.get().splitlines():
        print(line.rstrip())
    sys.stdout.flush()


def table(heads: Sequence[str], rows: Iterable[Iterable[str | Text]]) -> Table:
    """A table, its first column never cut."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for position, head in enumerate(heads):
        made.add_column(head, no_wrap=position == 0, overflow="fold")
    for row in rows:
        made.add_row(*(safe(cell) if isinstance(cell, str) else cell for cell in row))
    return made


def fields(rows: Iterable[tuple[str, str | Text]]) -> Table:
    """Names and values, a line each."""
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, safe(value) if isinstance(value, str) else value)
    return made


def status(text: str) -> Text:
    """A status in its colour."""
    return Text(text, COLOURS.get(text, ""))


def safe(text: str) -> Text:
    """Text as it may go to a terminal: colours are kept, other control sequences are not."""
    lines = [Text.from_ansi(line) for line in text.split("\n")]
    joined = Text("\n").join(lines)
    joined.plain = "".join(map(_printable, joined.plain))
    return joined


def _printable(character: str) -> str:
    return character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"


def when(text: str | None) -> str:
    """A time of the API in this machine's zone, to the second."""
    if text is None:
        return ""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span(begin: str | None, end: str | None) -> str:
    """How long something took, or has taken until now."""
    if begin is None:
        return ""
    until = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return seconds((until - datetime.fromisoformat(begin)) / timedelta(seconds=1))


def seconds(number: float) -> str:
    """A length of time: ``3.2 s``, ``4 min 10 s``, ``2 h 5 min``."""
    number = max(0.0, number)
    if number < 60:
        return f"{number:.1f} s"
    minutes, rest = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
