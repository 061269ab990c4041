"""A console that keeps what is said to it, with somebody at it or nobody."""

from __future__ import annotations

import io

from infra.deploy.console import Console


class Terminal(io.StringIO):
    """A terminal at which somebody types what the text says."""

    def isatty(self) -> bool:
        return True


class Recorder(Console):
    """Takes what somebody answers; None for nobody at all."""

    def __init__(self, answers: str | None = None, *, yes: bool = False) -> None:
        stream = io.StringIO() if answers is None else Terminal(answers)
        super().__init__(yes=yes, input=stream, output=io.StringIO(), errors=io.StringIO())

    @property
    def told(self) -> str:
        """What went to standard error."""
        assert isinstance(self.errors, io.StringIO)
        return self.errors.getvalue()
