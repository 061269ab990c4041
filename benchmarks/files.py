"""One gigabyte up, through a task and down again, and how much memory that takes of whom.

``python -m benchmarks.files`` does it on this machine with what ``coatcheck up`` starts, and with
``--target localstack`` on LocalStack: API Gateway, Lambda and S3, with workers beside it (the variables that
name LocalStack are those of its tests). Memory is the peak of any process of the API, of the workers and of
the client (VmHWM), for a small file and then for the large one: what it grows by is what the size costs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import end_in_order, number, say, table
from benchmarks.processes import Processes, descendants
from benchmarks.servers import Server
from tests.localstack.conftest import RUNNING, STARTER, started
from tests.localstack.project import Project, copied
from tests.support.polling import eventually
from tests.support.ports import free_port

MB = 1_000_000
PIECE = 1024 * 1024
SMALL = 10
"""Megabytes of the first file: all is imported and connected by then."""
GROWTH = 64
"""Megabytes by which no process may grow from the small file to the large one."""
TURNED = bytes(255 - byte for byte in range(256))
TASK = '''
"""What benchmarks/files.py has workers do."""

from coatcheck import File, progress

TURNED = bytes(255 - byte for byte in range(256))


def turn(data: File) -> File:
    """Turns every bit of a file."""
    target = data.path.with_name("turned")
    with data.open() as source, target.open("wb") as file:
        while piece := source.read(1024 * 1024):
            file.write(piece.translate(TURNED))
            progress(file.tell() / data.size)
    return File.of(target, name="turned.bin")
'''


@dataclass
class Running:
    """A product that runs. ``api`` and ``workers`` tell the processes of each."""

    url: str
    api: Callable[[], list[int]]
    workers: Callable[[], list[int]]


def main() -> int:
    """Measure, print tables, and return 1 when a process grew with the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--target", choices=["laptop", "localstack"], default="laptop")
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the file (default: 1000)")
    parser.add_argument("--client", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    found = parser.parse_args()
    if found.client:
        url, folder = found.client
        print(json.dumps(_be_client(url, Path(folder), found.megabytes)))
        return 0
    end_in_order()
    with (
        tempfile.TemporaryDirectory(prefix="coatcheck-files-") as name,
        TARGETS[found.target](Path(name)) as running,
    ):
        return _measure(running, Path(name), found.megabytes)


def _measure(running: Running, folder: Path, megabytes: int) -> int:
    seconds = [["", "up", "task", "down"]]
    peaks: dict[str, list[float]] = {"API": [], "worker": [], "client": []}
    for size in (SMALL, megabytes):
        say(f"{size} MB ...")
        client = _client(running.url, folder, size)
        peaks["API"].append(_peak(running.api()))
        peaks["worker"].append(_peak(running.workers()))
        peaks["client"].append(client["peak"])
        seconds.append([f"{size} MB", *(f"{number(client[step])} s" for step in ("up", "task", "down"))])
    rows = [["peak", f"with {SMALL} MB", f"with {megabytes} MB", "grew by"]]
    for who, (small, large) in peaks.items():
        rows.append([who, *(f"{number(value)} MB" for value in (small, large, large - small))])
    print(f"{table(seconds)}\n\n{table(rows)}")
    grown = max(large - small for small, large in peaks.values())
    verdict = "met" if grown <= GROWTH else "missed"
    print(f"\nNo process grows by more than {GROWTH} MB with the file: {verdict}")
    return int(grown > GROWTH)


def _client(url: str, folder: Path, megabytes: int) -> Mapping[str, float]:
    """What a client of its own process tells."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.files",
            "--megabytes",
            str(megabytes),
            "--client",
            url,
            str(folder),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _be_client(url: str, folder: Path, megabytes: int) -> dict[str, float]:
    """Send a file, have it turned, fetch it, and compare. Returns the seconds of each, and the peak."""
    from coatcheck.client import Client

    path, back = folder / "sent.bin", folder / "back.bin"
    expected = _made(path, megabytes)
    with Client(url) as client:
        begin = time.perf_counter()
        file = client.upload(path)
        up = time.perf_counter()
        result = client.submit("bench_files.turn", {"data": file}).result()
        task = time.perf_counter()
        result.save(back)
        down = time.perf_counter()
    with back.open("rb") as saved:
        assert hashlib.file_digest(saved, "sha256").hexdigest() == expected, "it came back as another file"
    back.unlink()
    path.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    return {"up": up - begin, "task": task - up, "down": down - task, "peak": peak}


def _made(path: Path, megabytes: int) -> str:
    """Write a file of random bytes. Returns the SHA-256 of what the task makes of it."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(megabytes):
            piece = os.urandom(MB)
            digest.update(piece.translate(TURNED))
            file.write(piece)
    return digest.hexdigest()


def _peak(pids: list[int]) -> float:
    """The most memory that any of some processes ever had, in megabytes."""
    peaks = [0.0]
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        peaks += [
            int(line.split()[1]) * 1024 / MB for line in status.splitlines() if line.startswith("VmHWM")
        ]
    return max(peaks)


@contextmanager
def _laptop(folder: Path) -> Iterator[Running]:
    """What ``coatcheck up`` starts: the API is its main process, the workers are its children."""
    project = _project(folder)
    up = f"-m infra up --port 0 --workers 1 --data {folder / 'data'}"
    command = [sys.executable, *up.split()]
    with Processes(command, {}, folder / "log", folder=project) as processes:
        processes.wait_for(lambda: "http://" in processes.log_end(), 60)
        url = next(word for word in processes.log_end().split() if word.startswith("http://"))

        def workers() -> list[int]:
            return [pid for pid in processes.pids() if "worker_image" in _command(pid)]

        yield Running(url, lambda: [processes.process.pid], workers)


@contextmanager
def _localstack(folder: Path) -> Iterator[Running]:
    """A stack on LocalStack: the API is the function's process, where LocalStack has it run as one."""
    with _endpoint() as endpoint, Server() as server:
        project = Project(_project(folder), "files-bench", endpoint=endpoint, redis_url=server.url())
        with project:
            project.deploy()
            project.start_workers()
            eventually(lambda: project.ask("health").status == 200)
            yield Running(
                project.url,
                lambda: _of_function(b"files-bench-API"),
                lambda: descendants(project.workers_pid),
            )


@contextmanager
def _endpoint() -> Iterator[str]:
    """LocalStack's URL."""
    if endpoint := os.environ.get(RUNNING):
        yield endpoint
        return
    if not (starter := os.environ.get(STARTER)):
        sys.exit(f"set {STARTER} to a program that starts LocalStack, or {RUNNING} to its URL")
    command = [starter, "--port", str(free_port())]
    try:
        yield started(command) or sys.exit(f"{starter} could not start LocalStack")
    finally:
        subprocess.run([*command, "--stop"], stdout=subprocess.DEVNULL, check=True)


def _project(folder: Path) -> Path:
    """A copy of this project with the task in it."""
    project = folder / "project"
    project.mkdir()
    copied(project)
    (project / "worker_image" / "tasks" / "bench_files.py").write_text(TASK)
    return project


def _of_function(name: bytes) -> list[int]:
    """The processes in which LocalStack runs a function."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            variables = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(each.startswith(b"AWS_LAMBDA_FUNCTION_NAME=" + name) for each in variables):
            found.append(int(path.parent.name))
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


TARGETS = {"laptop": _laptop, "localstack": _localstack}

if __name__ == "__main__":
    sys.exit(main())
