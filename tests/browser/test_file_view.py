"""Files of a result, shown in place: pictures, text, tables and trees, and what is only to be downloaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import DESKTOP, opened
from tests.client.scripted import JOB
from tests.support.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.browser.desk import Desk

SHOW = """async (job) => {
  const { Outcome } = await import(new URL("static/outcome.js", document.baseURI).href);
  const outcome = new Outcome(2);
  outcome.show(job);
  document.querySelector("main:not([hidden])").replaceChildren(outcome.element);
}"""
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20">
<script>parent.stolen = 1</script><rect width="30" height="20" onload="parent.stolen = 1"/></svg>"""


class Shown:
    """A result on an otherwise empty page, and the store that has its files."""

    def __init__(self, desk: Desk) -> None:
        self.page = page = desk.page
        self.watch = desk.watch
        self.asked: list[str] = []
        self._served: dict[str, tuple[str, str]] = {}
        self.links = 0
        page.route("**/fake-store/*", self._serve)
        page.route("**/jobs/" + JOB["id"], lambda route: route.fulfill(json=self.job))

    def file(self, name: str, kind: str, text: str, dead: bool = False) -> dict[str, Any]:
        """The document of a file that is served from now on."""
        self.links += 1
        self._served[f"{self.links}"] = (kind, text)
        return {
            "$file": name,
            "name": name,
            "type": kind,
            "size": len(text.encode()),
            "sha256": None,
            "url": f"fake-store/{self.links}",
            "expires_at": "2020-01-01T00:00:00Z" if dead else "2099-01-01T00:00:00Z",
        }

    def show(self, result: Any, **more: Any) -> None:
        self.job = {**JOB, "status": "finished", "result": result, **more}
        self.page.evaluate(SHOW, self.job)

    def figure(self, name: str) -> Locator:
        return self.page.get_by_role("figure").filter(has_text=name)

    def _serve(self, route: Route) -> None:
        number = route.request.url.rpartition("/")[2]
        self.asked.append(number)
        kind, text = self._served[number]
        route.fulfill(body=text, content_type=kind, headers={"Content-Disposition": "attachment"})


@pytest.fixture
def shown(browser: Browser, live_url: str) -> Iterator[Shown]:
    with opened(browser, live_url, DESKTOP) as desk:
        desk.open()
        yield Shown(desk)


def sound(page: Page) -> None:
    """No rule of axe is broken."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_picture_is_shown_and_an_svg_runs_nothing(shown: Shown) -> None:
    shown.show({"rows": 3, "plot": shown.file("plot.svg", "image/svg+xml", SVG)})
    picture = shown.page.get_by_role("img", name="plot.svg")
    expect(picture).to_be_visible()
    eventually(lambda: picture.evaluate("picture => picture.naturalWidth") == 30)
    assert shown.page.evaluate("globalThis.stolen") is None
    assert shown.page.locator("figure svg, figure script").count() == 0
    expect(shown.page.locator(".tree")).to_contain_text("plot: plot.svg (")
    expect(shown.figure("plot.svg")).to_contain_text("image/svg+xml, ")
    sound(shown.page)


def test_a_table_is_shown_with_its_first_rows(shown: Shown) -> None:
    rows = "".join(f'{n};"a ""{n}"" ; b\nc"\r\n' for n in range(300))
    shown.show(shown.file("sales.csv", "text/csv", f"number;text\r\n{rows}"))
    table = shown.page.get_by_role("table")
    expect(table.get_by_role("columnheader")).to_have_text(["number", "text"])
    expect(table.get_by_role("row")).to_have_count(201)
    expect(table.get_by_role("row").nth(3).get_by_role("cell")).to_have_text(["2", 'a "2" ; b\nc'])
    expect(shown.figure("sales.csv")).to_contain_text("The first 200 rows.")
    expect(shown.page.locator(".tree")).to_have_count(0)
    sound(shown.page)


def test_a_huge_table_is_read_only_as_far_as_it_is_shown(shown: Shown) -> None:
    shown.show(shown.file("wide.csv", "text/csv", "a,b\n" + f"1,{'x' * 1000}\n" * 1000))
    expect(shown.page.get_by_role("row")).to_have_count(66)
    expect(shown.figure("wide.csv")).to_contain_text("The first 65 rows.")


def test_text_is_shown_as_text(shown: Shown) -> None:
    shown.show(
        [shown.file("a.txt", "text/plain", "<b>bold</b>"), shown.file("b.log", "text/plain", "x" * 70_000)]
    )
    expect(shown.page.get_by_role("region", name="a.txt")).to_have_text("<b>bold</b>")
    expect(shown.page.get_by_role("region", name="b.log")).to_have_text("x" * 2**16 + "…")


def test_json_is_a_tree_also_where_it_was_too_large_for_the_document(shown: Shown) -> None:
    large = json.dumps({"numbers": list(range(1000)), "exact": 12345678901234567890})
    shown.show(None, result_file=shown.file("result.json", "application/json", large))
    expect(shown.page.locator(".tree")).to_contain_text("numbers: [ 1000 items ]")
    expect(shown.page.locator(".tree")).to_contain_text("12345678901234567890")
    expect(shown.page.locator(".result-none")).to_have_count(0)


def test_everything_else_is_only_to_be_downloaded(shown: Shown) -> None:
    shown.show(
        [
            shown.file(name, kind, "x")
            for name, kind in (("a.html", "text/html"), ("b.zip", "application/zip"))
        ]
    )
    with shown.page.expect_download() as download:
        shown.page.get_by_role("link", name="Download b.zip").click()
    assert download.value.url.endswith("/fake-store/2")
    assert "2" not in shown.asked, "nobody looks into it"
    expect(shown.page.get_by_role("region", name="a.html")).to_have_text("x")


def test_a_link_that_is_over_is_renewed(shown: Shown) -> None:
    shown.show([shown.file("b.zip", "application/zip", "old", dead=True)])
    shown.job["result"] = [shown.file("b.zip", "application/zip", "new")]
    with shown.page.expect_download() as download:
        shown.page.get_by_role("link", name="Download b.zip").click()
    assert download.value.url.endswith("/fake-store/2")


def test_what_can_t_be_fetched_is_told(shown: Shown) -> None:
    shown.page.route("**/fake-store/*", lambda route: route.fulfill(status=403))
    shown.watch.expect("status of 403")
    shown.show(shown.file("a.txt", "text/plain", "x"))
    expect(shown.figure("a.txt")).to_contain_text("It can't be shown here.")
    shown.show({**shown.file("a.txt", "text/plain", "x"), "url": None})
    expect(shown.figure("a.txt")).to_have_text("a.txttext/plain, 1 bytes")
