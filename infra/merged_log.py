"""One readable log of several processes: a time, who speaks, and what it says."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import IO, TextIO

from coatcheck.log_lines import JSONFormatter

WIDTH = 6
"""Of the longest source's name, ``worker``."""
COLOURS = {"up": "1", "api": "36", "worker": "32", "redis": "35"}
"""SGR codes (ECMA-48) by source."""
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\t"}
"""Shown, not sent to the terminal: what is logged may come from a client."""


class MergedLog:
    """Writes whole lines to a stream, from any thread.

    Takes the stream, such as standard error, and whether each line is a JSON document, as those are already
    that the processes log then.
    """

    def __init__(self, stream: TextIO, as_json: bool = False) -> None:
        self._stream = stream
        self._shown = _document if as_json else self._labelled
        self._lock = threading.Lock()
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")

    def write(self, source: str, text: str) -> None:
        """Log each line of a text."""
        lines = [f"{self._shown(source, line)}\n" for line in text.splitlines()]
        with self._lock:
            try:
                self._stream.writelines(lines)
                self._stream.flush()
            except (OSError, ValueError):
                pass  # nobody reads it any more; the work goes on

    def follow(self, source: str, pipe: IO[bytes]) -> None:
        """Log all that comes out of a pipe, in a thread of its own, and close it at its end."""
        threading.Thread(target=self._follow, args=(source, pipe), daemon=True).start()

    def handler(self, source: str) -> logging.Handler:
        """A handler for the standard library's loggers."""
        return _Handler(self, source)

    def _labelled(self, source: str, line: str) -> str:
        moment = time.strftime("%H:%M:%S")
        name = f"{source:<{WIDTH}}"
        if self._coloured:
            moment, name = f"\x1b[2m{moment}\x1b[0m", f"\x1b[{COLOURS[source]}m{name}\x1b[0m"
        return f"{moment} {name} {line.translate(CONTROLS)}"

    def _follow(self, source: str, pipe: IO[bytes]) -> None:
        with pipe:
            for line in pipe:
                self.write(source, line.decode(errors="replace"))


def _document(source: str, line: str) -> str:
    """The line as a JSON document, unless it is one."""
    if line.startswith("{"):
        return line
    about = {"name": f"coatcheck.{source}", "levelname": "INFO", "msg": line}
    return JSONFormatter().format(logging.makeLogRecord(about))


class _Handler(logging.Handler):
    def __init__(self, log: MergedLog, source: str) -> None:
        super().__init__()
        self._log = log
        self._source = source

    def emit(self, record: logging.LogRecord) -> None:
        self._log.write(self._source, self.format(record))
