"""The product as real processes: the API, pools of workers, Redis and its replica behind the proxy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from resource import RLIMIT_AS, prlimit
from types import TracebackType

from coatcheck import doctor
from coatcheck.connection import connect
from coatcheck.settings import load
from infra import catalog
from tests.chaos import journal
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import ROOT, environment
from tests.support.proxy import Proxy
from tests.support.servers import Clock, RedisServer
from worker_image import lifeline

ADDRESS_SPACE = 4 << 30
"""Bytes of address space that each worker process may have."""
KEEP_SECONDS = 0.1
"""How often it is looked whether something died."""


class Child:
    """A process that is started again when it dies, with its output in a file."""

    def __init__(self, arguments: list[str], root: Path, environ: dict[str, str], log: Path) -> None:
        self._arguments = arguments
        self._root = root
        self._environ = environ
        self._log = log
        self.starts = 0
        self.process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        """Start it, in a session of its own."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._arguments],
                cwd=self._root,
                env=self._environ,
                stdin=subprocess.PIPE,  # its end tells the process that we are gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts += 1
        prlimit(self.process.pid, RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    def keep(self) -> None:
        """Start it again if it has ended."""
        if self.process.poll() is not None:
            self._close()
            self.start()

    def end(self, timeout: float) -> None:
        """SIGTERM, and SIGKILL when that does not help in time."""
        for signum in (signal.SIGCONT, signal.SIGTERM):
            if self.process.poll() is None:
                self.process.send_signal(signum)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()

    def _close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()


@dataclass
class Layout:
    """What is started: pools, workers in each, seconds of a lease, and a replica or none.

    ``spared``: how many pools, the last ones, are not killed. ``root`` is where the product's packages lie;
    ``variables`` are further settings.
    """

    pools: int = 2
    workers: int = 2
    lease: int = 2
    replica: bool = False
    spared: int = 0
    root: Path = ROOT
    variables: dict[str, str] = field(default_factory=dict)


class System:
    """Runs a layout in a folder, as a context manager. What dies is started again, but for Redis."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder = folder
        self.layout = layout
        self.journal = folder / "journal"
        folder.mkdir(parents=True, exist_ok=True)
        self.clock = Clock(folder / "clock")
        self.primary = RedisServer(folder / "redis-0", self.clock)
        self.replica: RedisServer | None = None
        self.proxy = Proxy(self.primary.port)
        self.api_port = free_port()
        self.api: Child
        self.pools: list[Child] = []
        self._children: list[Child] = []
        self._servers = 1
        self._stack = ExitStack()
        self._ending = threading.Event()
        self._environ: dict[str, str] = {}

    def __enter__(self) -> System:
        with ExitStack() as stack:
            stack.callback(lambda: self.primary.kill())
            self.primary.start()
            stack.enter_context(self.proxy)
            if self.layout.replica:
                stack.callback(self._drop_replica)
                self.add_replica()
            self._environ = self._make_environ()
            self.start_product(stack)
            keeper = threading.Thread(target=self._keep, daemon=True)
            keeper.start()
            stack.callback(keeper.join)
            stack.callback(self._ending.set)
            eventually(self._ready, seconds=60, what=f"everything is up (logs: {self.folder})")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _make_environ(self) -> dict[str, str]:
        url = f"redis://127.0.0.1:{self.proxy.port}/0"
        settings = load({"REDIS_URL": url, "COATCHECK_NAMESPACE": "chaos"})
        environ = environment(
            settings,
            COATCHECK_CATALOG=str(self.folder / "catalog.json"),
            COATCHECK_TASKS="tests.chaos.tasks",
            COATCHECK_QUEUES="default",
            WORKER_LEASE=str(self.layout.lease),
            WORKER_PROCESSES=str(self.layout.workers),
            PYTHONPATH=str(self.layout.root),
            **{journal.VARIABLE: str(self.journal), lifeline.VARIABLE: "1"},
            REDIS_WAIT_REPLICAS=str(int(self.layout.replica)),
            **self.layout.variables,
        )
        # What is killed can't write its coverage, and measuring it would only take time.
        return {name: value for name, value in environ.items() if not name.startswith("COVERAGE_")}

    def start_child(self, name: str, *arguments: str) -> Child:
        """Start Python with these arguments; it is started again whenever it dies."""
        child = Child(list(arguments), self.layout.root, self._environ, self.folder / f"{name}.log")
        self._children.append(child)
        return child

    def _keep(self) -> None:
        while not self._ending.wait(KEEP_SECONDS):
            for child in self._children:
                child.keep()

    def start_product(self, stack: ExitStack) -> None:
        """Start the API and the pools, with their end on the stack."""
        catalog.write(catalog.build(self._environ), Path(self._environ["COATCHECK_CATALOG"]))
        self.api = self.start_child("api", "-m", "tests.chaos.api", str(self.api_port))
        stack.callback(self.api.end, 5)
        for number in range(self.layout.pools):
            pool = self.start_child(f"pool-{number}", "-m", "worker_image")
            stack.callback(pool.end, 15)
            self.pools.append(pool)

    def _ready(self) -> bool:
        return self.answers() and len(self.horses()) == self.layout.pools * self.layout.workers

    def answers(self) -> bool:
        """Whether the API takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.api_port)) == 0

    def _drop_replica(self) -> None:
        if self.replica is not None:
            self.replica.kill()

    def add_replica(self) -> None:
        """Start a replica of the primary, and wait until it has all."""
        self.replica = RedisServer(self.folder / f"redis-{self._servers}", self.clock)
        self._servers += 1
        self.replica.follow(self.primary)

    def fail_over(self) -> None:
        """Kill the primary, and make the replica the primary that the proxy leads to."""
        assert self.replica is not None
        self.primary.kill()
        self.replica.promote()
        self.primary, self.replica = self.replica, None
        self.proxy.redirect(self.primary.port)

    def examine(self) -> list[str]:
        """What ``coatcheck doctor`` finds."""
        settings = load(self._environ)
        with connect(settings, socket_timeout=30) as client:
            return [
                f"{found.kind} {found.key}: {found.message}" for found in doctor.examine(client, settings)
            ]

    @property
    def victims(self) -> list[Child]:
        """The pools that may be killed."""
        return self.pools[: len(self.pools) - self.layout.spared]

    def workers(self, pools: Sequence[Child] | None = None) -> list[int]:
        """The processes of all workers (the work-horses' supervisors), or of those of some pools."""
        pools = self.pools if pools is None else pools
        return [pid for pool in pools for pid in children(pool.process.pid, "worker_image.worker")]

    def horses(self) -> list[int]:
        """The processes of all work-horses."""
        return [pid for worker in self.workers() for pid in children(worker, "worker_image.horse")]


def children(parent: int, module: str) -> list[int]:
    """The processes below a process that run a module of Python."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) != parent:
                continue
            if module.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return sorted(found)


def resident(pid: int) -> int:
    """Bytes of memory that a process has; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def sleep_until(moment: float) -> None:
    """Wait until a second of the monotonic clock."""
    time.sleep(max(0.0, moment - time.monotonic()))
