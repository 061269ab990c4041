"""What the commands say while they work: on standard error, so that standard output is the result."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from infra.deploy.errors import RefusedError


@dataclass(frozen=True)
class Console:
    """Takes the streams, and whether everything is confirmed already (``--yes``)."""

    yes: bool = False
    input: TextIO = sys.stdin
    output: TextIO = sys.stdout
    errors: TextIO = sys.stderr

    def tell(self, text: str = "") -> None:
        """Say something to whoever watches."""
        print(text, file=self.errors, flush=True)

    def result(self, text: str) -> None:
        """Print a line of what the command was asked for."""
        print(text, file=self.output, flush=True)

    def document(self, document: Any) -> None:
        """Print the result as JSON."""
        print(json.dumps(document, indent=2, default=str), file=self.output, flush=True)

    def line(self, document: Any) -> None:
        """Print one of many results as a line of JSON."""
        self.result(json.dumps(document))

    def check(self) -> None:
        """Raises RefusedError when nobody could confirm anything."""
        if not self.yes and not self.input.isatty():
            raise RefusedError("nobody can be asked here, since the input is no terminal; confirm with --yes")

    def confirm(self, question: str, expected: str = "y") -> None:
        """Ask, unless ``--yes`` was given. Raises RefusedError on any answer but the expected one."""
        if self.yes:
            return
        self.check()
        print(question, end=" ", file=self.errors, flush=True)
        if self.input.readline().strip().lower() != expected.lower():
            raise RefusedError("not confirmed; nothing was changed")


def table(rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Rows in aligned columns; the last column is as wide as it likes."""
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in rows
    )
