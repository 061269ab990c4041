"""The clients: they submit, look, stop, cancel and retry over HTTP, and write down what they get."""

from __future__ import annotations

import heapq
import itertools
import json
import math
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.chaos.history import MISSING, Asked, Case, History, Seen
from tests.chaos.plan import Ask, Order
from tests.chaos.system import sleep_until

TIMEOUT = 6.0
"""Seconds that a client waits for an answer."""
SUBMITTERS = 4
WATCHERS = 2
PAUSE = 0.3
"""Seconds until a client asks again what was not answered."""
LOOK_SECONDS = 0.7
"""How often a client looks at a job that is not over."""
LOOK_AGAIN = (4.0, 12.0)
"""After how many seconds it looks again at one that is over: that must not change."""
RETRYABLE = ("failed", "stopped", "canceled")


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. ``status`` 0: none came, so nobody knows whether it was done."""

    asked: float
    answered: float
    status: int
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether it says for sure what was done: a 5xx does not."""
        return 0 < self.status < 500


class Http:
    """One kept-alive connection to the API."""

    def __init__(self, port: int, history: History) -> None:
        self._history = history
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def ask(self, method: str, path: str, body: Any = None, key: str | None = None) -> Reply:
        """Send a request and read its answer."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key is not None:
            headers["Idempotency-Key"] = key
        asked = time.monotonic()
        try:
            self._connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = self._connection.getresponse()
            document = json.loads(answer.read() or b"{}")
        except (OSError, HTTPException, ValueError):
            self._connection.close()
            return Reply(asked, time.monotonic(), 0)
        reply = Reply(asked, time.monotonic(), answer.status, document)
        if answer.status in (400, 422, 500):
            self._history.wrong.append(f"{method} {path}: {answer.status} {document}")
        return reply


class Clients:
    """Carries out orders against the API of a port. ``run`` returns when all are submitted.

    ``forget``: seconds after which nobody looks any more at a job that is over.
    """

    def __init__(self, port: int, orders: list[Order], seed: int, forget: float = math.inf) -> None:
        self.history = History()
        self._port = port
        self._orders: Iterator[Order] = iter(orders)
        self._lock = threading.Lock()
        self._start = time.monotonic()
        self._watchers = [
            Watcher(Http(port, self.history), random.Random(f"{seed} {number}"), forget)
            for number in range(WATCHERS)
        ]
        self._turn = itertools.cycle(self._watchers)

    def run(self) -> None:
        """Submit everything at its time, and begin to look."""
        for watcher in self._watchers:
            watcher.thread.start()
        threads = [threading.Thread(target=self._submit_all, daemon=True) for _ in range(SUBMITTERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def wait(self, seconds: float) -> bool:
        """Wait until every job is over, or none has ended for that long. Returns whether all are."""
        left, since = -1, 0.0
        while True:
            now, still = time.monotonic(), sum(watcher.left for watcher in self._watchers)
            if still != left:
                left, since = still, now
            if now > since + seconds:
                return False
            if not left and self._all_over():
                return True
            time.sleep(0.1)

    def _all_over(self) -> bool:
        """Whether those are that come after others: they may have come back with one that was retried."""
        with closing(Http(self._port, self.history)) as http:
            for case in list(self.history.cases.values()):
                if case.after:
                    _look(case, _insist(http, "GET", f"/jobs/{case.job}"))
                    if not case.ended:
                        return False
        return True

    def close(self) -> None:
        """Look no more."""
        for watcher in self._watchers:
            watcher.ending.set()
        for watcher in self._watchers:
            watcher.thread.join()
            watcher.http.close()

    def final_look(self) -> None:
        """Look once more at every job and its log, and at those that nobody had an answer for."""
        with closing(Http(self._port, self.history)) as http:
            self._look_finally(http)

    def _look_finally(self, http: Http) -> None:
        path: str | None = "/jobs?limit=200"
        while path is not None:
            page = _insist(http, "GET", path).document
            for job in page.get("jobs", []):
                if job["id"] not in self.history.cases:
                    self.history.cases[job["id"]] = Case(job["id"], "", job["task"], acknowledged=False)
            path = f"/jobs?limit=200&cursor={page['next']}" if page.get("next") else None
        for case in self.history.cases.values():
            _look(case, _insist(http, "GET", f"/jobs/{case.job}"))
            if not case.token:
                case.token = case.seen[-1].document.get("arguments", {}).get("token", "")
            case.log = ""
            after = ""
            while True:
                page = _insist(http, "GET", f"/jobs/{case.job}/log?after={after}").document
                case.log += page.get("text", "")
                if page.get("ended", True) or page.get("next") == after:
                    break
                after = page["next"]

    def _submit_all(self) -> None:
        with closing(Http(self._port, self.history)) as http:
            while True:
                with self._lock:
                    order = next(self._orders, None)
                if order is None:
                    return
                sleep_until(self._start + order.at)
                jobs = self._submit(http, order)
                if jobs is None:
                    self.history.unanswered += 1
                elif order.twice:
                    self._submit(http, order)

    def _submit(self, http: Http, order: Order) -> list[str] | None:
        while True:
            if len(order.asks) == 1:
                [ask] = order.asks
                query = "" if ask.delay is None else f"?delay={ask.delay}"
                reply = http.ask("POST", f"/tasks/{ask.task}{query}", ask.arguments, order.key)
            else:
                entries = [_entry(number, ask) for number, ask in enumerate(order.asks)]
                reply = http.ask("POST", "/jobs", {"jobs": entries}, order.key)
            if reply.status == 202:
                break
            if reply.known or order.key is None:
                return None
            time.sleep(PAUSE)
        documents = reply.document.get("jobs", [reply.document])
        if len(documents) != len(order.asks):
            self.history.wrong.append(f"{len(documents)} jobs for {len(order.asks)} that were asked for")
        for ask, document in zip(order.asks, documents, strict=False):
            self._accept(ask, document, reply)
        return [document["id"] for document in documents]

    def _accept(self, ask: Ask, document: dict[str, Any], reply: Reply) -> None:
        with self._lock:
            self.history.jobs.setdefault(ask.token, set()).add(document["id"])
            if document["id"] in self.history.cases:
                return
            case = self.history.cases[document["id"]] = Case(document["id"], ask.token, ask.task)
            case.look(Seen(reply.asked, reply.answered, document["status"], document))
            next(self._turn).add(case, ask)


@dataclass(order=True)
class Watch:
    """A job that a watcher looks at, and what it has in mind for it."""

    due: float
    number: int
    case: Case = field(compare=False)
    intents: set[str] = field(compare=False)
    over_since: float = field(default=math.inf, compare=False)


class Watcher:
    """Looks at its jobs, one after another, and stops, cancels and retries those that are meant to be."""

    def __init__(self, http: Http, rng: random.Random, forget: float) -> None:
        self._forget = forget
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.ending = threading.Event()
        self.http = http
        self._rng = rng
        self._watches: list[Watch] = []
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._open: set[int] = set()

    @property
    def left(self) -> int:
        """How many jobs are not over, or are meant to be retried."""
        return len(self._open)

    def add(self, case: Case, ask: Ask) -> None:
        """Take a job on."""
        delay = ask.patience if "cancel" in ask.then else self._rng.uniform(0.05, LOOK_SECONDS)
        with self._lock:
            number = next(self._numbers)
            self._open.add(number)
            heapq.heappush(self._watches, Watch(time.monotonic() + delay, number, case, set(ask.then)))

    def _run(self) -> None:
        while not self.ending.is_set():
            with self._lock:
                watch = heapq.heappop(self._watches) if self._watches else None
            if watch is None:
                self.ending.wait(0.05)
                continue
            if self.ending.wait(max(0.0, min(0.1, watch.due - time.monotonic()))):
                return
            if watch.due <= time.monotonic():
                self._attend(watch)
                if time.monotonic() > watch.over_since + self._forget:
                    continue
            with self._lock:
                heapq.heappush(self._watches, watch)

    def _attend(self, watch: Watch) -> None:
        case = watch.case
        if "cancel" in watch.intents:
            done = self._change(case, "cancel", "DELETE", f"/jobs/{case.job}")
            watch.intents -= {"cancel"} if done else set()
        else:
            _look(case, self.http.ask("GET", f"/jobs/{case.job}"))
            status = case.seen[-1].status
            if "stop" in watch.intents and status == "started":
                done = self._change(case, "cancel", "DELETE", f"/jobs/{case.job}")
                watch.intents -= {"stop"} if done else set()
            elif "retry" in watch.intents and status in RETRYABLE:
                done = self._change(case, "retry", "POST", f"/jobs/{case.job}/retry")
                watch.intents -= {"retry"} if done else set()
        over = case.ended and not ("retry" in watch.intents and case.seen[-1].status in RETRYABLE)
        watch.over_since = min(watch.over_since, time.monotonic()) if over else math.inf
        with self._lock:
            (self._open.discard if over else self._open.add)(watch.number)
        pause = self._rng.uniform(*LOOK_AGAIN) if over else LOOK_SECONDS
        watch.due = time.monotonic() + pause

    def _change(self, case: Case, what: str, method: str, path: str) -> bool:
        reply = self.http.ask(method, path)
        case.asked.append(Asked(what, reply.asked, reply.answered, reply.status, reply.document))
        if reply.status == 202:
            case.look(Seen(reply.asked, reply.answered, reply.document["status"], reply.document))
        return reply.known


def _entry(number: int, ask: Ask) -> dict[str, Any]:
    entry: dict[str, Any] = {"ref": f"r{number}", "task": ask.task, "arguments": ask.arguments}
    if ask.after:
        entry["after"] = [f"r{each}" for each in ask.after]
        entry["if_failed"] = "run" if ask.run else "cancel"
    if ask.delay is not None:
        entry["delay"] = ask.delay
    return entry


def _look(case: Case, reply: Reply) -> None:
    if reply.status == 200:
        case.look(Seen(reply.asked, reply.answered, reply.document["status"], reply.document))
    elif reply.status == 404:
        case.look(Seen(reply.asked, reply.answered, MISSING))


def _insist(http: Http, method: str, path: str, seconds: float = 30) -> Reply:
    end = time.monotonic() + seconds
    while True:
        reply = http.ask(method, path)
        if reply.known or time.monotonic() > end:
            return reply
        time.sleep(PAUSE)
