"""The page of a product that asks for tokens, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

from coatcheck.token_store import FileStore
from tests.browser.conftest import DESKTOP, opened
from tests.browser.desk import Desk, Ticket
from tests.coatcheck.test_token_store import add
from tests.infra.product import Product

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REFUSED = r"status of 401"
STORED = "sessionStorage.getItem('coatcheck.token')"
ACTIONS = re.compile("Run again|Edit and run|Retry|Stop|Cancel")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``coatcheck up`` that asks for tokens."""
    data: Path = tmp_path_factory.mktemp("door") / "data"
    with Product(data, "--port", "0", COATCHECK_AUTH="tokens") as product:
        product.until_ready()
        yield product


@pytest.fixture
def store(product: Product) -> FileStore:
    return FileStore(product.data / "tokens.json")


@pytest.fixture
def desk(browser: Browser, product: Product) -> Iterator[Desk]:
    with opened(browser, product.url, DESKTOP) as desk:
        desk.watch.expect(REFUSED)
        desk.page.goto(desk.url)
        yield desk


def come_in(desk: Desk, token: str) -> None:
    desk.page.get_by_label("Token").fill(token)
    desk.page.get_by_role("button", name="Come in").click()


def test_the_token_is_asked_for_once_and_kept_for_the_tab(desk: Desk, store: FileStore) -> None:
    token = add(store, "ann")
    expect(desk.page.get_by_role("heading", name="Who calls?")).to_be_visible()
    expect(desk.page.get_by_label("Token")).to_be_focused()
    expect(desk.page.locator("#desk")).to_be_hidden()
    come_in(desk, token)
    ticket = desk.run("Short task")
    ticket.becomes("finished")
    assert desk.page.evaluate(STORED) == token
    assert token not in desk.page.content()
    assert desk.page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"

    desk.open()
    expect(desk.page.get_by_label("Token")).to_have_count(0)
    expect(desk.tickets).to_have_count(1)

    with desk.page.context.expect_page() as opening:
        ticket.element.get_by_role("link", name="JSON").click()
    expect(opening.value.locator("body")).to_contain_text(ticket.id)

    other = desk.page.context.new_page()
    other.goto(desk.url)
    expect(other.get_by_label("Token")).to_be_visible()
    other.close()

    desk.page.get_by_role("button", name="Leave").click()
    expect(desk.page.get_by_label("Token")).to_be_visible()
    assert desk.page.evaluate(STORED) is None
    store.change(lambda book: book.revoke("ann"))


def test_a_wrong_token_is_told_and_asked_for_again(desk: Desk, store: FileStore) -> None:
    come_in(desk, "")
    expect(desk.page.get_by_role("alert")).to_have_text("Paste your token here.")
    come_in(desk, "cc_nonsense")
    expect(desk.page.get_by_role("alert")).to_contain_text("This token lets nobody in")
    expect(desk.page.get_by_label("Token")).to_be_focused()
    come_in(desk, f"  {add(store, 'bob')} ")
    expect(desk.page.get_by_role("radio", name="Short task")).to_be_visible()
    store.change(lambda book: book.revoke("bob"))
    expect(desk.page.get_by_role("alert")).to_contain_text("has been revoked")


def test_a_token_without_a_scope_is_told_so(desk: Desk, store: FileStore) -> None:
    desk.watch.expect(r"status of 403")
    come_in(desk, add(store, "cid", scopes=["submit"]))
    expect(desk.banner).to_contain_text("the scope 'read', which cid doesn't have")
    expect(desk.page.get_by_role("button", name="Leave")).to_be_visible()


def offers_nothing(card: Ticket) -> None:
    expect(card.element.get_by_role("link", name="JSON")).to_be_visible()
    expect(card.element.get_by_role("button", name=ACTIONS)).to_have_count(0)


def test_who_may_only_look_is_offered_nothing_that_would_be_refused(desk: Desk, store: FileStore) -> None:
    come_in(desk, add(store, "dot"))
    ticket = desk.run("Short task")
    ticket.becomes("finished")
    failed = desk.run("Task raises error")
    failed.becomes("failed")
    expect(failed.button("Retry")).to_be_visible()
    desk.page.get_by_role("button", name="Leave").click()
    store.change(lambda book: book.revoke("dot"))
    come_in(desk, add(store, "dot", scopes=["read"]))  # the same name: these are its jobs

    expect(desk.page.get_by_text("This token may look at tasks and jobs")).to_be_visible()
    expect(desk.run_button).to_have_count(0)
    for card in (ticket, failed):
        offers_nothing(card)
    offers_nothing(desk.job_page(failed.id))

    desk.go("#/jobs")
    expect(desk.page.locator("#view").get_by_role("listitem").filter(has_text=failed.id[-6:])).to_be_visible()
    for control in ("checkbox", "button"):
        expect(desk.page.locator("#view").get_by_role(control)).to_have_count(0)


def test_a_schedule_is_paused_by_admins_and_run_by_who_may_submit(browser: Browser, tmp_path: Path) -> None:
    with Product(
        tmp_path / "data", "--port", "0", COATCHECK_AUTH="tokens", COATCHECK_TASKS="tests.support.periodic"
    ) as product:
        product.until_ready()
        store = FileStore(product.data / "tokens.json")
        for name, scopes, offered in (
            ("ann", ["admin"], ["Run now", "Pause"]),
            ("bob", ["read", "submit"], ["Run now"]),
            ("cid", ["read"], []),
        ):
            with opened(browser, product.url, DESKTOP) as desk:
                desk.watch.expect(REFUSED)
                desk.page.goto(f"{desk.url}#/schedules")
                come_in(desk, add(store, name, scopes=scopes))
                nightly = desk.page.get_by_role("region", name="Nightly report")
                expect(nightly).to_be_visible()
                expect(nightly.get_by_role("button")).to_have_text(offered)
