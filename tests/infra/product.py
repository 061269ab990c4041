"""The whole product as a process of its own, and what a test does to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest

from tests.support.polling import eventually
from tests.support.processes import ROOT


class Product:
    """``coatcheck up`` on a data folder, with one worker and a namespace that marks all its processes.

    Takes the folder, further arguments, and variables of the environment.
    """

    def __init__(self, data: Path, *arguments: str, python: tuple[str, ...] = (), **variables: str) -> None:
        self.data = data
        self.marker = f"t{uuid4().hex}"
        self._log = data.with_name(f"{data.name}-{self.marker}.log")
        environ = {name: value for name, value in os.environ.items() if name != "REDIS_URL"}
        environ |= {
            "COATCHECK_NAMESPACE": "up",
            "WORKER_PROCESSES": "1",
            "WORKER_LEASE": "2",
            "MARKER": self.marker,
        }
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *python, "-m", "infra", "up", "--data", str(data), *arguments],
                cwd=ROOT,
                env=environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        self.url = self.first_line.strip()

    def log(self) -> str:
        """What it said on standard error so far."""
        return self._log.read_text()

    def ask(self, path: str, document: Any = None, method: str | None = None) -> dict[str, Any]:
        """The JSON answer to a request, whatever its status; a document is sent as its JSON body."""
        assert self.url, self.log()
        body = None if document is None else json.dumps(document).encode()
        request = Request(
            self.url.rstrip("/") + path, body, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urlopen(request, timeout=30) as answer:
                read: dict[str, Any] = json.load(answer)
        except HTTPError as error:
            with error:
                read = json.load(error)
        return read

    def submit(self, task: str, arguments: dict[str, Any] | None = None) -> str:
        """Submit a job. Returns its id."""
        job: str = self.ask(f"/tasks/{task}", arguments or {})["id"]
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        """A job's document."""
        return self.ask(f"/jobs/{job_id}")

    def until(self, job_id: str, status: str, seconds: float = 30) -> dict[str, Any]:
        """Wait until a job has a status. Returns its document."""

        def check() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["status"] == status else None

        return eventually(check, seconds=seconds, what=f"job is {status}") or {}

    def until_ready(self) -> dict[str, Any]:
        """Wait until the workers serve every queue. Returns what /health says."""

        def check() -> dict[str, Any] | None:
            try:
                health = self.ask("/health")
            except URLError:
                return None
            return health if health["status"] == "ok" else None

        return eventually(check, what="healthy") or {}

    def signal(self, signum: signal.Signals, timeout: float = 30) -> int:
        """Send a signal as a terminal does, to its process group. Returns the exit status."""
        os.killpg(self.process.pid, signum)
        return self.process.wait(timeout)

    def processes(self) -> dict[int, str]:
        """Every process that descends from it, by id, with its command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                # Redis writes its title over its environment, but works in the data folder.
                marked = f"MARKER={self.marker}".encode() in (folder / "environ").read_bytes()
                if marked or (folder / "cwd").readlink() == self.data:
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def process_of(self, part: str) -> int:
        """The id of the one process whose command line has this part."""
        return eventually(
            lambda: next((pid for pid, line in self.processes().items() if part in line), 0),
            what=f"process {part}",
        )

    def __enter__(self) -> Product:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


Start = Callable[..., Product]


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Starts the product on the test's own data folder; everything ends with the test."""
    running: list[Product] = []

    def start(*arguments: str, data: Path | None = None, port: str = "0", **options: Any) -> Product:
        where = data or tmp_path / "data"
        running.append(Product(where, *(("--port", port) if port else ()), *arguments, **options))
        return running[-1]

    yield start
    for product in running:
        product.__exit__(None, None, None)


@pytest.fixture(scope="session")
def periodic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product with periodic tasks, those of ``tests.support.periodic``."""
    folder = tmp_path_factory.mktemp("periodic") / "data"
    with Product(folder, "--port", "0", COATCHECK_TASKS="tests.support.periodic") as product:
        product.until_ready()
        yield product
