"""The view of the periodic tasks, in a real Chromium: when they run, pause, resume, run now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE, opened
from tests.browser.desk import Desk, Ticket
from tests.infra.product import Product, periodic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator

__all__ = ["periodic"]


@pytest.fixture
def desk(browser: Browser, periodic: Product, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """The view on a product with periodic tasks. A parameter is the window's width and height."""
    with opened(browser, periodic.url, getattr(request, "param", DESKTOP)) as desk:
        desk.page.goto(f"{desk.url}#/schedules")
        yield desk


def card(desk: Desk, title: str) -> Locator:
    return desk.page.get_by_role("region", name=title)


def test_each_periodic_task_tells_when_it_runs(desk: Desk, periodic: Product) -> None:
    expect(desk.page.get_by_role("region")).to_have_count(4)  # the rail's is one too
    nightly = card(desk, "Nightly report")
    expect(nightly).to_contain_text("every day at 03:00")
    expect(nightly).to_contain_text("Europe/Berlin")
    expect(nightly).to_contain_text("Skips a run while the one before goes on.")
    coming = periodic.ask("/schedules/reports.nightly")["coming"]
    times = nightly.get_by_role("listitem").get_by_role("time")
    assert [times.nth(n).get_attribute("datetime") for n in range(3)] == coming
    expect(nightly.get_by_role("listitem").first).to_contain_text("03:00 AM in Berlin")
    expect(nightly).to_contain_text(re.compile(r"in \d+ (h|min|s)"))
    trade = card(desk, "Trade")
    expect(trade).to_contain_text("*/7 9-16 * * MON-FRI")
    expect(trade).to_contain_text("Makes up for all missed runs.")
    nightly.get_by_text("Arguments").click()
    expect(nightly).to_contain_text("keep: 30")


def test_the_last_run_leads_to_its_job(desk: Desk) -> None:
    poll = card(desk, "Poll")
    link = poll.get_by_role("link", name=re.compile(r"^\w{6}$"))
    expect(link).to_be_visible()
    address = link.get_attribute("href")
    expect(link).not_to_have_attribute("href", str(address))
    link.click()
    Ticket(desk, desk.page.url.rpartition("/")[2], "#view").becomes("finished")


def test_a_schedule_is_paused_and_resumed_by_keyboard(desk: Desk, periodic: Product) -> None:
    nightly = card(desk, "Nightly report")
    nightly.get_by_role("button", name="Pause").press("Enter")
    resume = nightly.get_by_role("button", name="Resume")
    expect(resume).to_be_focused()
    expect(nightly.get_by_text("paused", exact=True)).to_be_visible()
    expect(nightly.get_by_role("listitem")).to_have_count(0)
    assert periodic.ask("/schedules/reports.nightly")["paused"] is True
    resume.press("Enter")
    expect(nightly.get_by_role("button", name="Pause")).to_be_focused()
    expect(nightly.get_by_role("listitem")).to_have_count(3)
    assert periodic.ask("/schedules/reports.nightly")["paused"] is False


def test_what_somebody_else_pauses_is_seen(desk: Desk, periodic: Product) -> None:
    trade = card(desk, "Trade")
    expect(trade.get_by_role("button", name="Pause")).to_be_visible()
    periodic.ask("/schedules/reports.trade/pause", method="POST")
    expect(trade.get_by_role("button", name="Resume")).to_be_visible()
    periodic.ask("/schedules/reports.trade/resume", method="POST")
    expect(trade.get_by_role("button", name="Pause")).to_be_visible()


def test_a_run_at_once_leads_to_its_job(desk: Desk, periodic: Product) -> None:
    nightly = card(desk, "Nightly report")
    nightly.get_by_role("button", name="Run now").click()
    expect(nightly.get_by_role("status")).to_contain_text("Handed in: ticket")
    nightly.get_by_role("status").get_by_role("link").click()
    job = desk.page.url.rpartition("/")[2]
    Ticket(desk, job, "#view").becomes("finished")
    assert periodic.job(job)["arguments"] == {"keep": 30}
    desk.page.go_back()
    card(desk, "Nightly report").get_by_role("link", name="Its jobs").click()
    expect(desk.rows.filter(has_text=job[-6:])).to_be_visible()


def test_who_may_not_pause_is_told_so(desk: Desk) -> None:
    desk.watch.expect("status of 403")
    refused = {"status": 403, "title": "Forbidden", "detail": "This needs the scope admin."}
    desk.page.route(re.compile("/pause$"), lambda route: route.fulfill(status=403, json=refused))
    nightly = card(desk, "Nightly report")
    nightly.get_by_role("button", name="Pause").click()
    expect(nightly.get_by_role("status")).to_have_text("This needs the scope admin.")
    desk.page.unroute_all(behavior="ignoreErrors")


def test_without_a_periodic_task_the_view_says_how_to_make_one(browser: Browser, live_url: str) -> None:
    with opened(browser, live_url, PHONE) as desk:
        desk.open()
        desk.page.get_by_role("navigation", name="Views").get_by_role("link", name="Schedules").click()
        expect(desk.page.get_by_role("heading", name="Schedules")).to_be_focused()
        expect(desk.page.get_by_text("No task runs by itself yet")).to_be_visible()
        expect(desk.page.locator("pre")).to_contain_text('@task(cron="0 3 * * *"')
        assert Axe().run(desk.page).violations_count == 0
        assert desk.overflow() <= 0


@pytest.mark.parametrize("desk", [DESKTOP, PHONE], indirect=True, ids=["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_breaks_no_rule_of_axe(desk: Desk, scheme: Literal["light", "dark"]) -> None:
    desk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    nightly = card(desk, "Nightly report")
    nightly.get_by_role("button", name="Pause").click()
    nightly.get_by_text("Arguments").click()
    nightly.get_by_role("button", name="Run now").click()
    expect(nightly.get_by_role("status")).to_contain_text("Handed in: ticket")
    results = Axe().run(desk.page)
    assert results.violations_count == 0, results.generate_report()
    assert desk.overflow() <= 0
    nightly.get_by_role("button", name="Resume").click()
    expect(nightly.get_by_role("button", name="Pause")).to_be_visible()
