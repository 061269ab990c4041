"""The page of a product that asks for tokens, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from playwright.sync_api import expect

from coatcheck.token_store import FileStore
from tests.browser.conftest import DESKTOP, opened
from tests.browser.desk import Desk
from tests.coatcheck.test_token_store import add
from tests.infra.product import Product

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REFUSED = r"status of 401"
STORED = "sessionStorage.getItem('coatcheck.token')"


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
