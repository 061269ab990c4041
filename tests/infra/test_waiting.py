"""A thousand clients that wait at the laptop's server, and everybody else meanwhile."""

from __future__ import annotations

import http.client
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from coatcheck.job import utcnow
from tests.infra.product import Product, Start
from tests.support.polling import eventually

MANY = 1000
WAITERS = "{up}:waiter:*"


@pytest.fixture
def crowd() -> Iterator[Callable[..., list[http.client.HTTPConnection]]]:
    """Opens connections, on each of which a client waits: ``crowd(product, path, 1000)``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4 * MANY)), hard))
    with ExitStack() as stack:

        def crowd(product: Product, path: str, number: int) -> list[http.client.HTTPConnection]:
            parts = urlsplit(product.url)
            made = []
            for _ in range(number):
                connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)
                stack.callback(connection.close)
                connection.request("GET", path)
                made.append(connection)
            return made

        yield crowd
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def waiting(product: Product) -> int:
    """How many requests wait."""
    with redis.Redis(unix_socket_path=str(product.data / "redis.sock")) as client:
        return len(client.pubsub_channels(WAITERS))


def answers(connections: list[http.client.HTTPConnection]) -> list[tuple[int, Any]]:
    """The status of each answer, and its Retry-After."""
    found = []
    for connection in connections:
        with connection.getresponse() as answer:
            answer.read()
            found.append((answer.status, answer.getheader("Retry-After")))
    return found


def later(product: Product) -> str:
    """A job that is due in an hour. Returns its id."""
    due = (utcnow() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(product.ask(f"/tasks/examples.short_task?at={due}", {})["id"])


@pytest.mark.timeout(180)
def test_a_thousand_wait_and_others_submit(start: Start, crowd: Callable[..., Any]) -> None:
    product = start()
    product.until_ready()
    job = later(product)
    connections = crowd(product, f"/jobs/{job}?wait=25", MANY)
    eventually(lambda: waiting(product) == MANY)
    submitted = [product.submit("examples.short_task") for _ in range(3)]
    assert waiting(product) == MANY
    product.ask(f"/jobs/{job}", method="DELETE")
    assert {status for status, _ in answers(connections)} == {200}
    for each in submitted:
        product.until(each, "finished")
    assert waiting(product) == 0


def test_one_more_than_there_are_seats_is_answered_at_once(start: Start, crowd: Callable[..., Any]) -> None:
    product = start(COATCHECK_WAIT_SEATS="3")
    job = later(product)
    seated = crowd(product, f"/jobs/{job}?wait=25", 3)
    eventually(lambda: waiting(product) == 3)
    assert answers(crowd(product, f"/jobs/{job}?wait=25", 2)) == [(200, "60")] * 2
    assert waiting(product) == 3
    product.ask(f"/jobs/{job}", method="DELETE")
    assert answers(seated) == [(200, None)] * 3


def test_who_waits_when_it_is_stopped_gets_an_answer(start: Start, crowd: Callable[..., Any]) -> None:
    product = start("--workers", "1")
    job = later(product)
    connections = crowd(product, f"/jobs/{job}?wait=25", 5)
    eventually(lambda: waiting(product) == 5)
    product.signal(signal.SIGINT)
    assert [status for status, _ in answers(connections)] == [200] * 5


def test_a_client_that_goes_away_leaves_its_seat_in_the_end(start: Start) -> None:
    product = start()
    parts = urlsplit(product.url)
    with socket.create_connection((str(parts.hostname), parts.port or 0)) as connection:
        connection.sendall(
            f"GET /jobs/{later(product)}?wait=2 HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        )
        eventually(lambda: waiting(product) == 1)
    eventually(lambda: waiting(product) == 0)
    assert product.ask("/health")["redis"] is True
