"""A command in a pseudo-terminal, and the screen that somebody in front of it sees."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

import pyte

COLUMNS, LINES = 110, 40


class Terminal:
    """Runs a command whose streams are a terminal, but for standard output if that is to be a pipe.

    ``raw`` is all that came to the terminal; ``screen`` shows it.
    """

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        piped: bool = False,
        columns: int = COLUMNS,
    ) -> None:
        self.raw = b""
        self._screen = pyte.HistoryScreen(columns, LINES, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self._fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
        self.process = subprocess.Popen(
            command,
            env={**environ, "TERM": "xterm-256color"},
            stdin=child,
            stdout=subprocess.PIPE if piped else child,
            stderr=child,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)

    @property
    def screen(self) -> str:
        """What stands on the screen, and above it, without the spaces at the ends of lines."""
        above = [
            "".join(line[n].data for n in range(self._screen.columns)) for line in self._screen.history.top
        ]
        return "\n".join(line.rstrip() for line in [*above, *self._screen.display]).rstrip()

    def press(self, keys: bytes) -> None:
        """Type something, as bytes."""
        os.write(self._fd, keys)

    def until(self, text: str, seconds: float = 60) -> str:
        """Wait until a text stands on the screen. Returns the screen."""
        end = time.monotonic() + seconds
        while text not in self.screen:
            if not self._read(0.1) and self.process.poll() is not None and not self._read(0):
                break
            assert time.monotonic() < end, f"{text!r} did not come:\n{self.screen}"
        assert text in self.screen, f"{text!r} did not come:\n{self.screen}"
        return self.screen

    def end(self, seconds: float = 60) -> int:
        """Wait until the command ends. Returns its exit status."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            self._read(0.1)
            assert time.monotonic() < end, f"it did not end:\n{self.screen}"
        while self._read(0):
            pass
        return self.process.returncode

    def output(self) -> str:
        """What came on standard output, if that was a pipe."""
        assert self.process.stdout
        return self.process.stdout.read().decode()

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux says so when the other end is closed
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self._fd)
