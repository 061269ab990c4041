"""The local server answers to names of this machine only, while it asks nobody who calls."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

import pytest

from infra.hosts import Hosts
from tests.infra.product import Product, Start


@pytest.mark.parametrize(
    "header",
    [
        None,
        "localhost",
        "LOCALHOST:8000",
        "localhost.:8000",
        "app.localhost:8000",
        "127.0.0.1:8000",
        "192.168.1.5",
        "[::1]:8000",
        socket.gethostname(),
        "desk.example:8000",
    ],
)
def test_a_name_of_this_machine_is_known(header: str | None) -> None:
    assert Hosts(["desk.example"]).knows(header)


@pytest.mark.parametrize(
    "header",
    [
        "evil.example",
        "evil.example:80",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "[::1",
        "a b",
    ],
)
def test_any_other_is_not(header: str) -> None:
    assert not Hosts().knows(header)


def status(product: Product, host: str, path: str = "/tasks") -> int:
    connection = http.client.HTTPConnection(str(urlsplit(product.url).netloc), timeout=30)
    connection.request("GET", path, headers={"Host": host})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_a_page_that_rebinds_its_name_is_refused_and_a_name_can_be_added(start: Start) -> None:
    product = start(COATCHECK_HOSTS="desk.example")
    assert [status(product, host) for host in ("localhost", "desk.example", "evil.example")] == [
        200,
        200,
        403,
    ]
    assert status(product, "evil.example", "/") == 403, "the page neither"


def test_with_tokens_any_name_will_do(start: Start) -> None:
    product = start(COATCHECK_AUTH="tokens")
    assert status(product, "proxy.example") == 401
