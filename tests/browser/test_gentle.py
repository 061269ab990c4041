"""How often the page asks: less while nobody looks. The browser's clock is the test's own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

from tests.browser.desk import Desk

if TYPE_CHECKING:
    from playwright.sync_api import Page

SECONDS = 40
LOOK = """hidden => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def pass_time(page: Page) -> None:
    """Forty seconds of the page, in steps that let answers come in between."""
    for _ in range(SECONDS):
        page.clock.run_for(1000)
        page.wait_for_load_state("networkidle")


def test_a_page_that_nobody_sees_hardly_asks(desk: Desk) -> None:
    desk.page.clock.install()
    desk.open()
    expect(desk.page.locator("#queues")).to_contain_text("worker")

    def asked() -> int:
        return len([url for url in desk.watch.requests if url.endswith("/queues")])

    before = asked()
    pass_time(desk.page)
    seen = asked() - before
    assert seen >= 5
    desk.page.evaluate(LOOK, True)
    before = asked()
    pass_time(desk.page)
    assert asked() - before <= 2
    with desk.page.expect_request(re.compile("/queues$")):
        desk.page.evaluate(LOOK, False)
        desk.page.clock.run_for(1)
