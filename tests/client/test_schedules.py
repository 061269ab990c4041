"""The client and periodic tasks, both kinds of it, on a product that has some."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from coatcheck.errors import UnknownScheduleError, UnknownTaskError
from tests.client.both import KINDS, Both, both
from tests.infra.product import Product, periodic

__all__ = ["periodic"]

NIGHTLY = "reports.nightly"


@pytest.fixture(params=KINDS)
def on(request: pytest.FixtureRequest, periodic: Product) -> Iterator[Both]:
    """A client of each kind."""
    with both(request.param, periodic.url) as opened:
        yield opened


def test_periodic_tasks_are_told(on: Both) -> None:
    names = [schedule["task"] for schedule in on.do(on.client.list_schedules())]
    assert names == [NIGHTLY, "reports.poll", "reports.trade"]
    schedule = on.do(on.client.schedule(NIGHTLY))
    assert (schedule["words"], schedule["timezone"]) == ("every day at 03:00", "Europe/Berlin")
    assert schedule["next"] == schedule["coming"][0]


def test_one_is_paused_and_resumed_however_often_it_is_asked_for(on: Both) -> None:
    for _ in range(2):
        assert on.do(on.client.pause_schedule(NIGHTLY))["paused"] is True
    for _ in range(2):
        assert on.do(on.client.resume_schedule(NIGHTLY))["paused"] is False


def test_a_run_at_once_gives_a_ticket_and_the_same_key_the_same(on: Both) -> None:
    first, again = (on.do(on.client.run_schedule(NIGHTLY, idempotency_key=f"key-{id(on)}")) for _ in range(2))
    assert on.do(first.result(timeout=60)) == 30
    assert again.id == first.id
    assert on.do(on.client.run_schedule(NIGHTLY)).id != first.id


def test_what_has_no_schedule_is_an_error(on: Both) -> None:
    for call in (on.client.schedule, on.client.pause_schedule, on.client.run_schedule):
        with pytest.raises(UnknownScheduleError):
            on.do(call("reports.once"))
        with pytest.raises(UnknownTaskError):
            on.do(call("reports.nothing"))
