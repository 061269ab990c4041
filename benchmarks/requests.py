"""What a request costs: submit and status in the handler, batches, the laptop's server, memory per job.

``python -m benchmarks.requests``.

- *In the handler*: the functions' app is called with API Gateway's event, in this process, as Lambda does
  it. Beside it, call by call: a plain Chalice app that answers the same bytes without doing anything (the
  framework's own cost), and one round trip to Redis with the same payload (SET, GET). The goal is about
  (ours - framework) / round trip.
- *Batches* of 1,000 jobs: the adapter and RQ's ``enqueue_many``, each as fast as it can.
- *The laptop's server* (``coatcheck up``) and plain ``chalice local`` with the same app, asked for the status
  of a finished job over 4 kept-alive connections by a client in a process of its own.
- *Memory*: what Redis uses more for each waiting no-op job, ours and RQ's (both with their default options).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from chalice.app import Chalice, Response
from chalice.local import LambdaContext
from redis._parsers import Encoder, _RESP2Parser
from redis.connection import PythonRespSerializer
from rq import Queue

from benchmarks.harness import Goal, Options, Report, main, rounds, say
from benchmarks.processes import ROOT, Processes, ahead
from benchmarks.servers import Server, free_port
from benchmarks.systems import BATCH, our_settings, submissions, submit_ours
from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog
from coatcheck.connection import connect
from coatcheck.settings import Settings
from infra.tokens.command import local_place
from worker_image.discovery import catalog_of, discover

sys.path.insert(0, str(ROOT / "functions"))
from app import app as our_app
from chalicelib import context as contexts

CALLS = 300
"""Calls of each kind in one round; their median counts."""
ARGUMENTS = {"text": "a text as a client may send it, neither short nor long. " * 4, "number": 7}
CONNECTIONS = 4
SERVER_SECONDS = 2.0
HANDLER_GOAL, BATCH_GOAL, BATCH_RATIO_GOAL, SERVER_GOAL, MEMORY_GOAL = 2.0, 20_000.0, 1.8, 2500.0, 1.0

Call = Callable[[], Any]


def event(method: str, route: str, path: str, parameters: dict[str, str], body: Any = None) -> dict[str, Any]:
    """The event of a request, as API Gateway sends it."""
    return {
        "resource": route,
        "path": path,
        "httpMethod": method,
        "headers": {"content-type": "application/json"},
        "pathParameters": parameters or None,
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "requestContext": {"httpMethod": method, "resourcePath": route, "apiId": "a", "path": path},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }


def plain_app(submitted: dict[str, Any], shown: dict[str, Any]) -> Chalice:
    """A Chalice app with two of our routes that gives ready answers."""
    plain = Chalice(app_name="plain", configure_logs=False)

    def submit(name: str) -> Response:
        return _ready(submitted)

    def status(id: str) -> Response:  # noqa: A002
        return _ready(shown)

    plain.route("/tasks/{name}", methods=["POST"])(submit)
    plain.route("/jobs/{id}", methods=["GET"])(status)
    return plain


def _ready(answer: dict[str, Any]) -> Response:
    return Response(answer["body"], headers=dict(answer["headers"]), status_code=answer["statusCode"])


def median_microseconds(calls: dict[str, Call], count: int) -> dict[str, float]:
    """The median time of each call, called one after the other, again and again."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(count):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - begin)
    return {name: 1e6 * statistics.median(values) for name, values in times.items()}


class Handler:
    """The calls that are compared in the handler. Takes the settings and a client."""

    def __init__(self, settings: Settings, client: redis.Redis) -> None:
        catalog = Catalog(catalog_of(discover("benchmarks.tasks")).tasks)
        contexts.use(contexts.Context(settings, catalog, QueueAdapter(client, settings)))
        self._context = LambdaContext("coatcheck", 512)
        submit = event("POST", "/tasks/{name}", "/tasks/bench.payload", {"name": "bench.payload"}, ARGUMENTS)
        submitted = self._call(our_app, submit, 202)
        job_id = json.loads(submitted["body"])["id"]
        status = event("GET", "/jobs/{id}", f"/jobs/{job_id}", {"id": job_id})
        shown = self._call(our_app, status, 200)
        plain = plain_app(submitted, shown)
        self._call(plain, submit, 202)
        self._call(plain, status, 200)
        client.set("bench:document", shown["body"])
        self.submit: dict[str, Call] = {
            "submit: handler": lambda: our_app(submit, self._context),
            "submit: plain Chalice": lambda: plain(submit, self._context),
            "submit: SET": lambda: client.set("bench:payload", str(submit["body"])),
        }
        self.status: dict[str, Call] = {
            "status: handler": lambda: our_app(status, self._context),
            "status: plain Chalice": lambda: plain(status, self._context),
            "status: GET": lambda: client.get("bench:document"),
        }
        jobs = {"jobs": [{"task": "bench.noop", "arguments": {}}] * BATCH}
        self._batch = event("POST", "/jobs", "/jobs", {}, jobs)

    def batch(self) -> None:
        """POST /jobs with a thousand jobs."""
        self._call(our_app, self._batch, 202)

    def _call(self, app: Any, request: dict[str, Any], expected: int) -> dict[str, Any]:
        answer: dict[str, Any] = app(request, self._context)
        assert answer["statusCode"] == expected, answer
        return answer


def as_shipped(client: redis.Redis) -> redis.Redis:
    """A client as the function package has it: without hiredis, which only the workers have."""
    encoder = Encoder("utf-8", "strict", False)  # type: ignore[no-untyped-call]
    client.connection_pool.connection_kwargs |= {
        "parser_class": _RESP2Parser,
        "command_packer": PythonRespSerializer(6000, encoder.encode),
    }
    return client


def measure_handler(report: Report, server: Server, database: int, calls: int, batches: int) -> None:
    """One round of the handler's calls, and of its batches."""
    settings = our_settings(server.url(database))
    with as_shipped(connect(settings)) as client:
        client.flushdb()
        handler = Handler(settings, client)
        for kind in (handler.submit, handler.status):
            found = median_microseconds(kind, calls)
            for name, microseconds in found.items():
                report.figure(name, "µs").values.append(microseconds)
        client.flushdb()
        begin = time.perf_counter()
        for _ in range(batches):
            handler.batch()
        rate = batches * BATCH / (time.perf_counter() - begin)
        report.figure("batch: POST /jobs in the handler", "jobs/s").values.append(rate)
        client.flushdb()
    contexts.use(None)


def measure_batches(report: Report, server: Server, database: int, batches: int) -> None:
    """One round of batches and of the memory that waiting jobs take: ours, then RQ's."""
    settings = our_settings(server.url(database))
    with connect(settings, socket_timeout=30) as client:
        adapter = QueueAdapter(client, settings)
        queue = Queue("default", connection=client)

        def submit() -> None:
            adapter.submit(submissions(settings, BATCH))

        def enqueue() -> None:
            queue.enqueue_many([Queue.prepare_data("benchmarks.tasks.bench.noop") for _ in range(BATCH)])

        for name, call in (("coatcheck", submit), ("RQ", enqueue)):
            client.flushdb()
            call()  # so that keys, script and connection are there
            before = used_memory(client)
            begin = time.perf_counter()
            for _ in range(batches):
                call()
            seconds = time.perf_counter() - begin
            titles = {"coatcheck": "batch: adapter.submit", "RQ": "batch: RQ's enqueue_many"}
            report.figure(titles[name], "jobs/s").values.append(batches * BATCH / seconds)
            taken = (used_memory(client) - before) / (batches * BATCH)
            report.figure(f"memory: {name}", "bytes a job").values.append(taken)
        client.flushdb()


def used_memory(client: redis.Redis) -> int:
    """The bytes that Redis uses, without the buffers of its clients and of its file."""
    found: Any = client.info("memory")
    buffers = ("mem_clients_normal", "mem_aof_buffer", "mem_cluster_links", "mem_clients_slaves")
    return int(found["used_memory"]) - sum(int(found.get(name, 0)) for name in buffers)


class WebServers:
    """The two local servers, on one Redis, with a finished job. A context manager."""

    def __init__(self, server: Server, database: int) -> None:
        self._url = server.url(database)
        self._client = server.client(database)
        self._stack = ExitStack()
        self._processes: list[Processes] = []
        self.addresses: dict[str, tuple[str, int]] = {}
        self.path = ""
        self._token = ""

    def __enter__(self) -> WebServers:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        variables = {"REDIS_URL": self._url, "COATCHECK_TASKS": "benchmarks.tasks"}
        up = ("infra", "up", "--port", "0", "--workers", "1", "--data", str(folder / "data"))
        ours_log, plain_log = folder / "up.log", folder / "chalice.log"
        ours = self._stack.enter_context(Processes((sys.executable, "-m", *up), variables, ours_log))
        ours.wait_for(lambda: "http://" in ours_log.read_text(), 30, 0.05)
        shown = next(word for word in ours_log.read_text().split() if word.startswith("http://"))
        self.addresses["coatcheck up"] = ("127.0.0.1", int(urlsplit(shown).port or 0))
        catalog = {
            "COATCHECK_CATALOG": str(folder / "data" / "catalog.json"),
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        # Plain 'chalice local' asks the app's authorizer, whatever the settings say: both get a token.
        create = ("infra", "token", "create", "bench", "--target", "local", "--data", str(folder / "data"))
        told = subprocess.run(
            [sys.executable, "-m", *create], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        )
        self._token = told.stdout.strip()
        catalog["COATCHECK_TOKENS"] = str(local_place(folder / "data", {}))
        port = free_port()
        command = ("chalice", "--project-dir", "functions", "local", "--no-autoreload", "--port", str(port))
        script = Path(sys.executable).with_name(command[0])
        plain = Processes((str(script), *command[1:]), variables | catalog, plain_log)
        self._stack.enter_context(plain)
        self._processes = [ours, plain]
        plain.wait_for(lambda: "Serving on" in plain_log.read_text(), 30, 0.05)
        self.addresses["chalice local"] = ("127.0.0.1", port)
        job = submit_ours(self._url, 1, "bench.payload", **ARGUMENTS)
        ours.wait_for(lambda: job.done(self._client), 30)
        finished: Any = self._client.zrange(job.count[1], 0, 0)
        self.path = f"/jobs/{finished[0].decode()}"
        return self

    def pids(self) -> list[int]:
        """The processes of both."""
        return [pid for processes in self._processes for pid in processes.pids()]

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def rate(self, name: str, seconds: float) -> float:
        """Answers per second of one of them."""
        host, port = self.addresses[name]
        arguments: Sequence[object] = (host, port, self.path, CONNECTIONS, seconds)
        told = subprocess.run(
            [sys.executable, "-m", "benchmarks.http_client", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"BENCH_TOKEN": self._token},
            stdout=subprocess.PIPE,  # its errors are for whoever runs this
            text=True,
            check=True,
        )
        return float(told.stdout)


def measure(options: Options) -> Report:
    """Measure all of it, round by round."""
    report = Report("requests")
    calls, batches = (10, 1) if options.quick else (CALLS, 10)
    seconds = 0.3 if options.quick else SERVER_SECONDS
    with Server() as server, WebServers(server, 2) as web:
        report.versions = {"server": server.version}
        for round_number in rounds(options):
            say(f"requests: round {round_number + 1}")
            with ahead([os.getpid(), server.pid, *web.pids()], options.ahead):
                measure_handler(report, server, 0, calls, batches)
                measure_batches(report, server, 1, batches)
                for name in web.addresses:
                    figure = report.figure(f"GET /jobs/ID: {name}", "requests/s")
                    figure.values.append(web.rate(name, seconds))
    _goals(report)
    return report


def _goals(report: Report) -> None:
    found = {figure.name: figure.values for figure in report.figures}
    for kind, trip in (("submit", "SET"), ("status", "GET")):
        values = [
            (ours - framework) / redis_trip
            for ours, framework, redis_trip in zip(
                found[f"{kind}: handler"],
                found[f"{kind}: plain Chalice"],
                found[f"{kind}: {trip}"],
                strict=True,
            )
        ]
        name = f"{kind}: (handler - plain Chalice) / {trip}"
        report.goals.append(Goal(name, HANDLER_GOAL, values, at_least=False))
    batch = found["batch: adapter.submit"]
    report.goals.append(Goal("batch: adapter.submit", BATCH_GOAL, batch, unit="jobs/s"))
    report.ratio(
        "batch: adapter.submit / enqueue_many",
        "batch: adapter.submit",
        "batch: RQ's enqueue_many",
        BATCH_RATIO_GOAL,
    )
    status = found["GET /jobs/ID: coatcheck up"]
    report.goals.append(Goal("GET /jobs/ID: coatcheck up", SERVER_GOAL, status, unit="requests/s"))
    report.ratio(
        "memory: coatcheck / RQ (aim: 0.5)", "memory: coatcheck", "memory: RQ", MEMORY_GOAL, at_least=False
    )


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
