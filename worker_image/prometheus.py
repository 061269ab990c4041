"""The pool's figures as Prometheus reads them: ``GET /metrics`` on a port of their own."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

from coatcheck.errors import SettingsError
from coatcheck.exposition import CONTENT_TYPE, Family, render
from worker_image.pool_metrics import EVENTS

BUCKETS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600)
"""Upper bounds in seconds, for runs and for waits."""


@dataclass
class Histogram:
    """Counts by bucket, and the sum of all."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(BUCKETS, value)] += 1
        self.total += value


class Exporter:
    """Gathers, and answers on a port of all addresses. Takes the port and what counts workers by state.

    Raises SettingsError: the port can't be had.
    """

    def __init__(self, port: int, states: Callable[[], dict[str, int]]) -> None:
        self._states = states
        self._lock = Lock()
        self._jobs: Counter[tuple[str, str]] = Counter()
        self._runs: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._waits: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._events: Counter[str] = Counter(dict.fromkeys(EVENTS, 0))
        handler = type("Handler", (_Handler,), {"text": staticmethod(self.text)})
        try:
            self._server = ThreadingHTTPServer(("", port), handler)
        except OSError as error:
            raise SettingsError(
                f"WORKER_METRICS_PORT={port} can't be listened on: {error.strerror}"
            ) from error
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()

    def run(self, queue: str, task: str, outcome: str, seconds: float, waited: float) -> None:
        """Take the end of a run."""
        with self._lock:
            self._jobs[task, outcome] += 1
            self._runs[task].add(seconds)
            self._waits[queue].add(waited)

    def event(self, name: str, number: int) -> None:
        """Count something."""
        with self._lock:
            self._events[name] += number

    def tick(self) -> None:
        """Nothing: Prometheus comes by itself."""

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def text(self) -> str:
        """All figures."""
        jobs = Family("coatcheck_worker_jobs_total", "counter", "Runs that ended, by task and outcome.")
        runs = Family("coatcheck_worker_run_seconds", "histogram", "How long runs took, by task.")
        waits = Family("coatcheck_worker_wait_seconds", "histogram", "How long jobs were on their queue.")
        workers = Family("coatcheck_worker_processes", "gauge", "Worker processes of this pool, by state.")
        with self._lock:
            for (task, outcome), number in sorted(self._jobs.items()):
                jobs.add(number, task=task, outcome=outcome)
            for task, histogram in sorted(self._runs.items()):
                runs.add_histogram(BUCKETS, histogram.counts, histogram.total, task=task)
            for queue, histogram in sorted(self._waits.items()):
                waits.add_histogram(BUCKETS, histogram.counts, histogram.total, queue=queue)
            events = [
                Family(f"coatcheck_worker_{name}_total", "counter", text, [("", {}, self._events[name])])
                for name, text in EVENTS.items()
            ]
        for state, number in self._states().items():
            workers.add(number, state=state)
        return render([jobs, runs, waits, workers, *events])


class _Handler(BaseHTTPRequestHandler):
    text: Callable[[], str]
    timeout = 10

    def do_GET(self) -> None:
        found = self.path.partition("?")[0] == "/metrics"
        body = self.text().encode() if found else b"GET /metrics\n"
        self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", CONTENT_TYPE if found else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""
