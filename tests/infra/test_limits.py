"""The limits under 200 clients at once, on the running product: never more is accepted, counts are exact."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from coatcheck.scopes import Scope
from coatcheck.token_store import FileStore
from coatcheck.tokens import TokenBook
from tests.infra.product import Product, Start

CLIENTS = 200
LATER = "/tasks/examples.short_task?delay=1h"
BATCH = {"jobs": [{"task": "examples.short_task", "delay": "1h"}] * 3}


def token_of(data: Path, name: str) -> str:
    made = ""

    def create(book: TokenBook) -> TokenBook:
        nonlocal made
        book, made = book.create(name, now=time.time(), scopes=[Scope.SUBMIT, Scope.READ])
        return book

    FileStore(data / "tokens.json").change(create)
    return made


class Client:
    """One client with a connection of its own."""

    def __init__(self, product: Product, token: str) -> None:
        parts = urlsplit(product.url)
        self._connection = HTTPConnection(str(parts.hostname), parts.port or 80, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.close()

    def send(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        body = None if document is None else json.dumps(document)
        self._connection.request(method, path, body, self._headers)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())


def at_once(product: Product, token: str, call: Callable[[Client], tuple[int, Any]]) -> Counter[str]:
    """What 200 clients were answered who all began in the same moment: 2xx, or the type of a problem."""
    barrier = threading.Barrier(CLIENTS, timeout=60)

    def one(_number: int) -> str:
        with Client(product, token) as client:
            barrier.wait()
            status, document = call(client)
        return str(status) if status < 300 else str(document["type"]).rpartition(":")[2]

    with ThreadPoolExecutor(CLIENTS) as pool:
        return Counter(pool.map(one, range(CLIENTS)))


def waiting(product: Product, token: str) -> int:
    """How many jobs of the token's holder wait, as their list tells."""
    with Client(product, token) as client:
        _, page = client.send("GET", "/jobs?status=scheduled&limit=200")
    assert page["next"] is None
    return len(page["jobs"])


def test_no_more_wait_than_may_of_one_token_and_on_the_queue(start: Start) -> None:
    limits = {"COATCHECK_MAX_WAITING": "60", "COATCHECK_MAX_QUEUED": "100", "COATCHECK_JOBS_PER_MINUTE": "0"}
    product = start(COATCHECK_AUTH="tokens", **limits)
    product.until_ready()
    ann, ben = (token_of(product.data, name) for name in ("ann", "ben"))

    answers = at_once(product, ann, lambda client: client.send("POST", LATER, {}))
    assert answers == {"202": 60, "too-many-waiting": CLIENTS - 60}
    assert waiting(product, ann) == 60

    answers = at_once(product, ben, lambda client: client.send("POST", "/jobs", BATCH))
    assert answers == {"202": 13, "queue-full": CLIENTS - 13}  # 39 of the 40 that are left, in threes
    assert waiting(product, ben) == 39


def test_no_more_come_in_a_minute_than_may(start: Start) -> None:
    product = start(COATCHECK_AUTH="tokens", COATCHECK_JOBS_PER_MINUTE="30")
    product.until_ready()
    token = token_of(product.data, "ann")
    begin = time.monotonic()
    answers = at_once(product, token, lambda client: client.send("POST", LATER, {}))
    most = 30 + 30 * (time.monotonic() - begin) / 60
    assert answers.keys() == {"202", "rate-limited"}
    assert 30 <= answers["202"] <= most
    assert waiting(product, token) == answers["202"]


def test_no_more_is_uploaded_in_a_day_than_may(start: Start) -> None:
    product = start(COATCHECK_AUTH="tokens", COATCHECK_UPLOAD_BYTES_PER_DAY=str(10**11))
    product.until_ready()
    file = {"name": "a.csv", "size": 10**9}  # what comes back meanwhile, 1.2 MB a second, is no other
    token = token_of(product.data, "ann")
    answers = at_once(product, token, lambda client: client.send("POST", "/uploads", file))
    assert answers == {"201": 100, "too-much-uploaded": CLIENTS - 100}
