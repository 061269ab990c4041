"""A real Chromium for the browser tests: skipped with a word where there is none, but failing in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

IN_CI = os.environ.get("CI") == "true"
if IN_CI:
    import playwright.sync_api  # noqa: F401  (here, since the test modules skip themselves without it)
if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser.desk import Desk

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",  # Chromium refuses to start as root with it, and CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = (1280, 900)
PHONE = (360, 740)
TIMEOUT = 20_000
"""Milliseconds; the machine may be busy with other tests."""


def program() -> str | None:
    """The path of a Chromium, if there is one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def _missing(what: str) -> NoReturn:
    """Skip, or fail where everything must be there."""
    if IN_CI:
        pytest.fail(f"{what}: the browser tests can't run, and CI must run them")
    pytest.skip(f"{what}: the browser tests are skipped")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one module: Playwright's event loop must not outlive it, others may want their own."""
    try:
        from playwright.sync_api import expect, sync_playwright
    except ImportError:
        _missing("playwright is not installed (pip install playwright)")
    path = program()
    if path is None:
        _missing(f"none of {', '.join(PROGRAMS)} is on PATH (apt install chromium)")
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, url: str, size: tuple[int, int]) -> Iterator[Desk]:
    """A page in a context of its own, not yet loaded.

    Fails in the end if there was a console error that the test did not expect, or a request to another host.
    """
    from tests.browser.desk import Desk

    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    context.set_default_timeout(TIMEOUT)
    try:
        desk = Desk(context.new_page(), url)
        yield desk
    finally:
        context.close()
    assert desk.watch.unexpected() == []
    assert desk.watch.foreign == []


@pytest.fixture
def desk(browser: Browser, live_url: str, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A page on the running product. A parameter is the window's width and height."""
    with opened(browser, live_url, getattr(request, "param", DESKTOP)) as desk:
        yield desk
