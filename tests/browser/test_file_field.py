"""The form's field for a file, in a real browser: by button, by drop and by keyboard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Route, expect

from tests.browser.conftest import DESKTOP, opened
from tests.browser.fake_uploads import FakeUploads, sha256
from tests.browser.test_form import Form
from tests.support.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CONTENT = b"a,b\n1,2\n"
SCHEMA = {
    "type": "object",
    "format": "coatcheck-file",
    "x-types": ["text/csv", "image/*"],
    "x-max-size": 100_000,
    "properties": {"$file": {"type": "string"}},
    "required": ["$file"],
}
DROP = """(zone, [name, type, text]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name, { type }));
  for (const type of ["dragover", "drop"])
    zone.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
}"""


def payload(name: str, content: bytes = CONTENT) -> FilePayload:
    return {"name": name, "mimeType": "", "buffer": content}


class FileForm(Form):
    """A form with one field for a file, and what the page asks of the API."""

    def __init__(self, page: Page) -> None:
        super().__init__(page)
        self.uploads = FakeUploads(page)
        self.input = page.get_by_label("Table", exact=False).and_(page.locator("input"))
        self.zone = page.locator(".drop")
        self.note = page.locator(".drop-note")
        self.bar = page.get_by_role("progressbar", name="Upload for Table")

    def button(self, word: str) -> Any:
        return self.page.get_by_role("button", name=f"{word} Table")


@pytest.fixture
def form(browser: Browser, live_url: str) -> Iterator[FileForm]:
    with opened(browser, live_url, DESKTOP) as desk:
        desk.watch.expect("status of (500|403|410|422|429)|ERR_FAILED")
        desk.open()
        form = FileForm(desk.page)
        form.make({"table": SCHEMA}, required=["table"])
        yield form


def refusing(status: int, times: int = 99, body: str = "") -> Any:
    """A store that refuses so often."""
    left = [times]

    def fault(route: Route) -> bool:
        if "/fake-store/" not in route.request.url or not left[0]:
            return False
        left[0] -= 1
        route.fulfill(status=status, body=body)
        return True

    return fault


def holding(form: FileForm) -> list[Route]:
    """What is sent to the store from now on, and not answered."""
    held: list[Route] = []

    def fault(route: Route) -> bool:
        if "/fake-store/" in route.request.url:
            held.append(route)
        return "/fake-store/" in route.request.url

    form.uploads.fault = fault
    return held


def test_a_file_is_chosen_sent_and_known_by_its_id(form: FileForm) -> None:
    assert form.read() == {"value": {}, "errors": [{"pointer": "/table", "detail": "This needs a value."}]}
    expect(form.note).to_have_text("or drop it here")
    expect(form.input).to_have_accessible_description("text/csv or image/* · at most 100 kB")
    form.input.set_input_files(payload("sales.csv"))
    expect(form.note).to_have_text("sales.csv, 8 bytes")
    assert form.value() == {"table": {"$file": "f1"}}
    assert form.uploads.announced == [
        {"name": "sales.csv", "type": "text/csv", "size": 8, "sha256": sha256(CONTENT)}
    ]
    assert form.uploads.told == ["POST /uploads", "PUT /fake-store/1", "POST /uploads/f1/complete"]
    assert form.uploads.headers[0]["x-check"] == "yes"
    expect(form.bar).to_be_hidden()


def test_a_file_is_dropped(form: FileForm) -> None:
    form.zone.evaluate(DROP, ["dot.svg", "image/svg+xml", "<svg/>"])
    expect(form.note).to_have_text("dot.svg, 6 bytes")
    assert form.uploads.announced[0]["type"] == "image/svg+xml"
    assert form.input.evaluate("input => input.files[0].name") == "dot.svg"
    address = form.page.url
    form.page.locator("body").evaluate(DROP, ["beside.svg", "image/svg+xml", "<svg/>"])
    assert (form.page.url, len(form.uploads.announced)) == (address, 1)


def test_it_can_be_used_by_the_keyboard_and_is_taken_away_again(form: FileForm) -> None:
    form.input.focus()
    expect(form.input).to_be_focused()
    with form.page.expect_file_chooser() as chooser:
        form.input.press("Enter")
    chooser.value.set_files(payload("sales.csv"))
    expect(form.note).to_have_text("sales.csv, 8 bytes")
    form.page.keyboard.press("Tab")
    expect(form.button("Remove")).to_be_focused()
    form.page.keyboard.press("Enter")
    expect(form.input).to_be_focused()
    expect(form.note).to_have_text("or drop it here")
    assert form.read()["errors"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("notes.txt", b"x", "This should be text/csv or image/*."),
        ("large.csv", b"x" * 100_001, "This may have at most 100 kB."),
    ],
)
def test_what_the_task_does_not_take_is_not_sent(
    form: FileForm, name: str, content: bytes, told: str
) -> None:
    form.input.set_input_files(payload(name, content))
    expect(form.note).to_have_text(told)
    assert form.read()["errors"] == [{"pointer": "/table", "detail": told}]
    assert form.uploads.told == []
    form.input.set_input_files(payload("sales.csv"))
    expect(form.note).to_have_text("sales.csv, 8 bytes")


def test_a_large_file_goes_in_parts_each_again_if_it_did_not_arrive(form: FileForm) -> None:
    form.uploads.part_size = 3
    form.uploads.fault = refusing(500, times=2)
    form.input.set_input_files(payload("sales.csv"))
    expect(form.note).to_have_text("sales.csv, 8 bytes")
    assert form.uploads.told == [
        "POST /uploads",
        "PUT /fake-store/1",
        "GET /uploads/f1?parts=1-100",
        "PUT /fake-store/1",
        "GET /uploads/f1?parts=1-100",
        "PUT /fake-store/1",
        "PUT /fake-store/2",
        "PUT /fake-store/3",
        "POST /uploads/f1/complete",
    ]
    parts = [CONTENT[begin : begin + 3] for begin in (0, 3, 6)]
    assert form.uploads.completed == [
        {"parts": [{"number": number, "sha256": sha256(part)} for number, part in enumerate(parts, 1)]}
    ]


def test_what_the_store_refuses_for_good_is_told(form: FileForm) -> None:
    form.uploads.fault = refusing(422, body='{"detail": "The SHA-256 is another."}')
    form.input.set_input_files(payload("sales.csv"))
    expect(form.note).to_have_text("The SHA-256 is another.")
    assert form.read()["errors"][0]["detail"] == "The SHA-256 is another."
    form.uploads.fault = refusing(422, body="<Error/>")
    form.input.set_input_files(payload("again.csv"))
    expect(form.note).to_have_text("The files' store answered with status 422.")


def test_an_api_that_takes_more_much_later_is_not_waited_for(form: FileForm) -> None:
    def fault(route: Route) -> bool:
        if not route.request.url.endswith("/uploads"):
            return False
        problem = {"title": "Too many bytes", "status": 429, "detail": "At most 9 bytes a day."}
        route.fulfill(status=429, json=problem, headers={"Retry-After": "4320"})
        return True

    form.uploads.fault = fault
    form.input.set_input_files(payload("sales.csv"))
    expect(form.note).to_have_text("At most 9 bytes a day.")
    assert form.uploads.told == ["POST /uploads"]


def test_an_upload_shows_how_far_it_is_and_is_cancelled(form: FileForm) -> None:
    holding(form)
    form.input.set_input_files(payload("sales.csv"))
    expect(form.note).to_have_text("Uploading sales.csv")
    expect(form.bar).to_be_visible()
    results = Axe().run(form.page)
    assert results.violations_count == 0, results.generate_report()
    form.button("Cancel").click()
    expect(form.note).to_have_text("or drop it here")
    expect(form.bar).to_be_hidden()
    assert form.uploads.told[-1] == "DELETE /uploads/f1"
    assert form.read()["errors"]


def test_who_runs_the_task_meanwhile_waits_for_the_upload(form: FileForm) -> None:
    held = holding(form)
    form.input.set_input_files(payload("sales.csv"))
    expect(form.bar).to_be_visible()
    form.page.evaluate(
        """() => void globalThis.form.settled().then(() => {
          globalThis.settled = JSON.stringify(globalThis.form.read());
        })"""
    )
    eventually(lambda: form.page.evaluate("!globalThis.settled") and held)
    held[0].fulfill(status=200, body="")
    eventually(lambda: form.page.evaluate("globalThis.settled"))
    assert json.loads(form.page.evaluate("globalThis.settled"))["value"] == {"table": {"$file": "f1"}}


def test_a_jobs_file_is_given_again(form: FileForm) -> None:
    file = {"$file": "f9", "name": "old.csv", "type": "text/csv", "size": 1500, "url": "x"}
    form.make({"table": {"anyOf": [SCHEMA, {"type": "null"}], "default": None}}, initial={"table": file})
    expect(form.note).to_have_text("old.csv, 1.5 kB")
    assert form.value()["table"]["$file"] == "f9"
    form.button("Remove").click()
    assert form.value() == {}
