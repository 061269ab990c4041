"""Worker processes that a benchmark starts, stops in the middle, and ends: with all their children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.servers import cpu_seconds

ROOT = Path(__file__).resolve().parents[1]


class Processes:
    """A command and all the processes that come of it. A context manager, at whose end they are killed.

    Takes the command, the variables that its environment has beside ours, the file for its output, and the
    folder that it runs in.
    """

    def __init__(
        self, command: Sequence[str], variables: Mapping[str, str], log: Path, folder: Path = ROOT
    ) -> None:
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def pids(self) -> list[int]:
        """The processes that live, parents first."""
        return descendants(self.process.pid)

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to each of them."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)

    def cpu_seconds(self) -> float:
        """The processor time that they used so far."""
        return cpu_seconds(*self.pids())

    def wait_for(self, done: Callable[[], bool], seconds: float, pause: float = 0.005) -> float:
        """Wait until something is so. Returns the moment (``time.perf_counter``).

        Raises RuntimeError, with the end of the log, when it takes too long or the process ends.
        """
        end = time.perf_counter() + seconds
        while not done():
            if time.perf_counter() > end or self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args!r} does not get on:\n{self.log_end()}")
            time.sleep(pause)
        return time.perf_counter()

    def log_end(self) -> str:
        """The last lines that they wrote."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()


def descendants(pid: int) -> list[int]:
    """A process and all that came of it and live, parents first."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parents.setdefault(int(path.read_text().rpartition(")")[2].split()[1]), []).append(
                int(path.parent.name)
            )
    found = [pid]
    for each in found:  # grows while it is read
        found += parents.get(each, [])
    return found


@contextlib.contextmanager
def ahead(pids: Sequence[int], wanted: bool) -> Iterator[None]:
    """While it lasts, let processes run before all others of the machine: they get a core when they want one.

    Only root may, on Linux. What they start meanwhile stays so; real-time scheduling leaves others 5 %.
    """
    if wanted:
        _schedule(pids, os.SCHED_RR, 1)
    try:
        yield
    finally:
        if wanted:
            _schedule(pids, os.SCHED_OTHER, 0)


def _schedule(pids: Sequence[int], policy: int, priority: int) -> None:
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))
