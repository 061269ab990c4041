"""The product on LocalStack, for ``benchmarks/files.py``: API Gateway, Lambda and S3, workers beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.files import Product, peak_of, peaks
from benchmarks.processes import ROOT, descendants
from benchmarks.servers import Server
from tests.localstack.conftest import RUNNING, STARTER, started
from tests.localstack.project import Project, copied
from tests.support.polling import eventually
from tests.support.ports import free_port

STACK = "files-bench"


@contextlib.contextmanager
def localstack(folder: Path, part_size: int | None) -> Iterator[Product]:
    """A stack and its workers. Parts are as large as a stack has them."""
    root = folder / "project"
    root.mkdir()
    copied(root)
    shutil.copy(ROOT / "tests" / "support" / "tasks" / "filed.py", root / "worker_image" / "tasks")
    with (
        endpoint() as url,
        Server() as server,
        Project(root, STACK, endpoint=url, redis_url=server.url()) as project,
    ):
        project.deploy()
        project.start_workers()
        eventually(lambda: project.ask("health").status == 200)

        def found() -> dict[str, float]:
            api = max(peak_of(pid) for pid in functions())
            return {"API": api, **peaks(descendants(project.workers_pid))}

        yield Product(project.url, found)


@contextlib.contextmanager
def endpoint() -> Iterator[str]:
    """The URL of the LocalStack that runs, or of one that is started; its tests name both."""
    if running := os.environ.get(RUNNING):
        yield running
        return
    if not (starter := os.environ.get(STARTER)):
        sys.exit(f"set {STARTER} to a program that starts LocalStack, or {RUNNING} to its URL")
    command = [starter, "--port", str(free_port())]
    try:
        yield started(command) or sys.exit(f"{starter} could not start LocalStack")
    finally:
        subprocess.run([*command, "--stop"], stdout=subprocess.DEVNULL, check=True)


def functions() -> list[int]:
    """The processes in which LocalStack runs the API."""
    wanted = f"AWS_LAMBDA_FUNCTION_NAME={STACK}-API".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if any(variable.startswith(wanted) for variable in path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
    return found
