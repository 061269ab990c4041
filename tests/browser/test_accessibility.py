"""Every view by the rules of axe-core, in light and dark, on a desktop and on a phone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.conftest import DESKTOP, PHONE, opened
from tests.browser.desk import JOB_END, TABLE, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from playwright.sync_api import Browser

ANSWERED = r"status of {}"
COLOURS = "\x1b[1;31mred\x1b[0m \x1b[32mgreen\x1b[33myellow\x1b[34mblue\x1b[35mpink\x1b[36mcyan\x1b[42mback"
TRIP = {"start": {"city": COLOURS}, "travellers": 2, "further_stops": [{"city": "Oslo"}]}


@pytest.fixture(scope="module", params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def wide(browser: Browser, live_url: str, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """One page for all tests of a size."""
    with opened(browser, live_url, request.param) as desk:
        desk.watch.expect(ANSWERED.format("(401|404|409|422|503)"))
        yield desk.open()


@pytest.fixture(params=["light", "dark"])
def desk(wide: Desk, request: pytest.FixtureRequest) -> Desk:
    scheme: Literal["light", "dark"] = request.param
    wide.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    return wide


def sound(desk: Desk) -> None:
    """No rule of axe is broken, and nothing is wider than the window."""
    results = Axe().run(desk.page)
    assert results.violations_count == 0, results.generate_report()
    assert desk.overflow() <= 0


def test_the_desk(desk: Desk) -> None:
    desk.open()
    desk.choose("Plan trip")
    desk.page.get_by_role("button", name="Add entry").click()
    desk.run_button.click()
    expect(desk.alert).to_contain_text("need")
    failed, counting = desk.run("Task raises error"), desk.run("Count slowly")
    failed.becomes("failed")
    failed.unfold("Traceback")
    counting.becomes("started")
    desk.choose("Plan trip")
    sound(desk)
    counting.button("Stop").click()


def test_files_in_and_out(desk: Desk) -> None:
    desk.open()
    desk.choose("Plot table")
    sound(desk)
    desk.page.locator("input[type=file]").set_input_files(TABLE)
    ticket = desk.run()
    ticket.becomes("finished")
    expect(ticket.result.get_by_role("img")).to_be_visible()
    sound(desk)


def test_the_page_of_a_job(desk: Desk) -> None:
    trip, failing = desk.submit("examples.plan_trip", TRIP), desk.submit("examples.task_raises_error")
    later = desk.submit("examples.short_task", delay="1h")
    desk.job_page(later)
    sound(desk)
    desk.page.request.delete(f"{desk.url}jobs/{later}")
    page = desk.job_page(trip)
    page.becomes("finished")
    expect(page.log.locator(".ansi-fg-1")).to_have_text("red")
    sound(desk)
    page = desk.job_page(failing)
    page.becomes("failed")
    page.unfold("Traceback")
    sound(desk)
    desk.go(f"#/jobs/{'0' * 36}")
    expect(desk.page.get_by_role("heading", name="There is no such job")).to_be_visible()
    sound(desk)


def test_the_list_of_jobs(desk: Desk) -> None:
    ended = [desk.submit("examples.task_raises_error"), desk.submit("examples.short_task")]
    desk.go("#/jobs")
    for job_id, status in zip(ended, ("failed", "finished"), strict=True):
        row = desk.rows.filter(has_text=job_id[-6:])
        expect(row).to_contain_text(status, timeout=JOB_END)
        row.get_by_role("checkbox").check()
    sound(desk)
    desk.go("#/jobs?status=deferred")
    expect(desk.page.get_by_text("No job matches these filters.")).to_be_visible()
    sound(desk)


def test_the_queues(desk: Desk) -> None:
    job_id = desk.submit("examples.count_slowly", {"to": 500})
    desk.go("#/queues")
    worker = desk.page.get_by_role("listitem").filter(has_text=job_id[-6:])
    expect(worker.get_by_role("progressbar")).to_be_visible(timeout=JOB_END)
    sound(desk)
    desk.page.request.delete(f"{desk.url}jobs/{job_id}")


def test_what_is_wrong(desk: Desk) -> None:
    calls = re.compile(re.escape(desk.url) + "(queues|jobs)")
    desk.page.route(calls, lambda route: route.fulfill(status=503, json={"status": 503, "title": "away"}))
    desk.page.goto(f"{desk.url}?away#/jobs")
    expect(desk.banner).to_contain_text("Redis is away")
    sound(desk)
    desk.page.unroute_all(behavior="ignoreErrors")
    desk.page.route(calls, lambda route: route.fulfill(status=401, json={"status": 401, "title": "who"}))
    desk.page.goto(desk.url)
    expect(desk.page.get_by_label("Token")).to_be_focused()
    sound(desk)
    desk.page.unroute_all(behavior="ignoreErrors")
    desk.page.goto("about:blank")
