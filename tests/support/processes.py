"""A real pool of workers for a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from coatcheck.settings import Settings

ROOT = Path(__file__).parents[2]


def environment(settings: Settings, **variables: str) -> dict[str, str]:
    """The environment of a process that shall use these settings."""
    return os.environ | {
        "REDIS_URL": settings.redis_url,
        "COATCHECK_NAMESPACE": settings.namespace,
        "COATCHECK_QUEUES": ",".join(settings.queues),
        "COATCHECK_TASKS": "tests.support.tasks",
        "RQ_KEY_PREFIX": settings.prefix,
        "WORKER_LEASE": "2",
        "WORKER_STOP_TIMEOUT": "1",
        "WORKER_PROCESSES": "1",
        "PYTHONPATH": str(ROOT),
        **variables,
    }


class PoolProcess:
    """``python -m worker_image`` in a process group of its own, with its log in a file."""

    def __init__(self, settings: Settings, log: Path, **variables: str) -> None:
        self._log = log.open("wb")
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, "-m", "worker_image"],
            cwd=ROOT,
            env=environment(settings, **variables),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def text(self) -> str:
        """All that the pool and its workers logged so far."""
        return self.log.read_text()

    def terminate(self, timeout: float = 30) -> int:
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def __enter__(self) -> PoolProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
