"""The product on this machine, for all tests of the client in one process of the test run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.client.both import KINDS, Both, both
from tests.infra.product import Product
from tests.support.polling import eventually


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``coatcheck up`` with two workers."""
    folder = tmp_path_factory.mktemp("client") / "data"
    with Product(folder, "--port", "0", WORKER_PROCESSES="2", MAX_TIME_TO_WAIT="2") as product:
        eventually(lambda: len(product.ask("/queues")["queues"][0]["workers"]) == 2)
        yield product


@pytest.fixture(params=KINDS)
def on(request: pytest.FixtureRequest, product: Product) -> Iterator[Both]:
    """A client of each kind."""
    with both(request.param, product.url) as opened:
        yield opened


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that a client makes, which pass at once here."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(time, "sleep", made.append)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    return made
