"""Ctrl-C and its relatives: counted, so that every part can be stopped in order."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any


class StopRequested(Exception):  # noqa: N818 (it is no error)
    """Somebody asked to stop while something was being started."""


class StopSignals:
    """Counts SIGINT, SIGTERM and SIGHUP while it is entered. Belongs to the main thread."""

    def __init__(self) -> None:
        self.count = 0
        self._former: dict[signal.Signals, Any] = {}

    @property
    def urgent(self) -> bool:
        """Whether it was asked twice: now everything ends at once."""
        return self.count > 1

    def check(self) -> None:
        """Raises StopRequested once it was asked."""
        if self.count:
            raise StopRequested

    def __enter__(self) -> StopSignals:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signum is signal.SIGHUP and signal.getsignal(signum) is signal.SIG_IGN:
                continue  # started with nohup: it shall outlive its terminal
            self._former[signum] = signal.signal(signum, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for signum, handler in self._former.items():
            signal.signal(signum, handler)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
