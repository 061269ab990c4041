"""A file of 1 GB up, through a task and down again: how fast, and how much memory each process takes for it.

``python -m benchmarks.files``. ``coatcheck up`` with one worker, files in a folder, and a client of ours in a
process of its own: it uploads in parts, submits a task that reads the file and returns a copy, and saves
that. *Peak* is the most that a process ever had (``VmHWM``); *for the file* is how much of it came while the
file did. All of it has to be constant: the file is far larger.

``--target localstack`` does the same with API Gateway, Lambda and S3 of a LocalStack that runs functions as
processes of this machine (``benchmarks/files_localstack.py``).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Goal, Options, Report, main, rounds, say
from benchmarks.processes import ROOT, Processes

SIZE = 1_000_000_000
QUICK_SIZE = 64_000_000
QUICK_PART = 16 * 1024 * 1024
MEMORY_GOAL = 32.0
"""MB that a process may take for a file of any size."""
MB = 1_000_000
PIECE = 1024 * 1024
READY_SECONDS = 60
TASK = "filed.copy"
"""Reads a file and returns a copy (``tests/support/tasks/filed.py``)."""


@dataclass(frozen=True)
class Transfer:
    """What became of one file: seconds of each way; MB of each process at most, and for the file."""

    up: float
    task: float
    down: float
    peaks: dict[str, float]
    growth: dict[str, float]


@dataclass(frozen=True)
class Product:
    """A product that runs: where its API is, and the most memory that each kind of process had, in MB."""

    url: str
    peaks: Callable[[], dict[str, float]]


Start = Callable[[Path, int | None], AbstractContextManager[Product]]
"""Runs a product in a folder. Takes the bytes of a part too, None: as it is."""


@contextlib.contextmanager
def laptop(folder: Path, part_size: int | None) -> Iterator[Product]:
    """What ``coatcheck up`` starts."""
    variables = {"COATCHECK_TASKS": "tests.support.tasks", "COATCHECK_TRACEBACKS": "all"}
    if part_size is not None:
        variables["COATCHECK_PART_SIZE"] = str(part_size)
    command = [sys.executable, "-m", "infra", "up", "--data", str(folder / "data"), "--port", "0"]
    with Processes([*command, "--workers", "1"], variables, folder / "log") as product:
        url = address(folder / "data" / "url", folder / "log")
        yield Product(url, lambda: peaks(product.pids()))


def transfer(size: int, folder: Path, part_size: int | None = None, start: Start = laptop) -> Transfer:
    """Send a file of so many bytes through a running product, in an empty folder."""
    source, target = folder / "source.bin", folder / "target.bin"
    sha256 = write(source, size)
    with start(folder, part_size) as product:
        # All that is needed is imported now.
        run_client(product.url, write_small(folder), folder / "small.out")
        before = product.peaks()
        told = run_client(product.url, source, target)
        after = product.peaks()
    if digest(target) != sha256:
        raise RuntimeError("what came back is not what was sent")
    client, small = told["peak"], told["before"]
    return Transfer(
        told["up"],
        told["task"],
        told["down"],
        {**after, "client": client},
        {**{name: after[name] - before[name] for name in after}, "client": client - small},
    )


def run_client(url: str, source: Path, target: Path) -> dict[str, float]:
    """The client's run, in a process of its own: what it told."""
    command = [sys.executable, "-m", "benchmarks.files", "client", url, str(source), str(target)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def client(url: str, source: Path, target: Path) -> dict[str, float]:
    """Upload a file, have it copied, save the copy. Returns the seconds, and MB before and at the most."""
    from coatcheck.client import Client

    with Client(url) as api:
        api.list_tasks()
        before = own_peak()
        file, up = timed(lambda: api.upload(source))
        returned, task = timed(lambda: api.submit(TASK, {"table": file}).result())
        _, down = timed(lambda: returned.save(target))
    return {"up": up, "task": task, "down": down, "before": before, "peak": own_peak()}


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the seconds it took."""
    begin = time.monotonic()
    value = action()
    return value, time.monotonic() - begin


def own_peak() -> float:
    """The most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB


def peaks(pids: Iterable[int]) -> dict[str, float]:
    """The most memory that each kind of some processes had, in MB."""
    found: dict[str, float] = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, StopIteration):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            name = next(name for name, words in KINDS.items() if words in command)
            found[name] = max(found.get(name, 0.0), peak_of(pid))
    return found


def peak_of(pid: int) -> float:
    """The most memory that a process had, in MB. Raises FileNotFoundError, ProcessLookupError: it is gone."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / MB


KINDS = {
    "API": b"-m\0infra\0up",
    "work-horse": b"worker_image.horse",
    "worker": b"worker_image.worker",
    "Redis": b"server",
}
"""How processes are known by their command."""


def address(file: Path, log: Path) -> str:
    """Where the API is, once it answers. Raises RuntimeError."""
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError):
            return file.read_text().strip()
        time.sleep(0.1)
    raise RuntimeError(log.read_text())


def write(path: Path, size: int) -> str:
    """A file that does not compress. Returns its SHA-256."""
    sha256, number = hashlib.sha256(), 0
    with path.open("wb") as file:
        while left := size - file.tell():
            piece = hashlib.shake_128(str(number).encode()).digest(min(PIECE, left))
            sha256.update(piece)
            file.write(piece)
            number += 1
    return sha256.hexdigest()


def write_small(folder: Path) -> Path:
    """A file of a few bytes."""
    path = folder / "small.bin"
    path.write_bytes(b"small")
    return path


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measure(options: Options, name: str = "files", start: Start = laptop) -> Report:
    """Send the file, round by round. Takes the report's name, and what runs the product."""
    report = Report(name)
    size, part_size = (QUICK_SIZE, QUICK_PART) if options.quick else (SIZE, None)
    for round_number in rounds(options):
        say(f"files: round {round_number + 1}")
        with tempfile.TemporaryDirectory() as folder:
            found = transfer(size, Path(folder), part_size, start)
        for way, seconds in (("up", found.up), ("through the task", found.task), ("down", found.down)):
            report.figure(way, "MB/s").values.append(size / MB / seconds)
        for name, peak in found.peaks.items():
            report.figure(f"peak: {name}", "MB").values.append(peak)
            report.figure(f"for the file: {name}", "MB").values.append(found.growth[name])
    for name in ("API", "worker", "work-horse", "client"):
        values = report.figure(f"for the file: {name}", "MB").values
        report.goals.append(Goal(f"memory for 1 GB: {name}", MEMORY_GOAL, values, at_least=False, unit="MB"))
    return report


def on_localstack(options: Options) -> Report:
    """The same on LocalStack."""
    from benchmarks.files_localstack import localstack

    return measure(options, "files_localstack", localstack)


TARGETS = {"laptop": measure, "localstack": on_localstack}

if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        print(json.dumps(client(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))))
        sys.exit(0)
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--target", choices=TARGETS, default="laptop")
    chosen, sys.argv[1:] = parser.parse_known_args()
    sys.exit(main(TARGETS[chosen.target], __doc__))
