"""The page as a person sees it, for the browser tests, and a watch over what it does behind the scenes."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, FilePayload, Locator, Page, Request, expect

TABLE: FilePayload = {"name": "sales.csv", "mimeType": "", "buffer": b"month,sold\nMay,2\nJune,40"}
"""A file that somebody has."""
JOB_END = 30_000
"""Milliseconds that a job of the story may take, with others before it."""


class Watch:
    """Collects what must not happen: console errors, uncaught errors, requests to another host."""

    def __init__(self, page: Page, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._expected: list[str] = []
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)

    def expect(self, pattern: str) -> None:
        """A console error that the test provokes: Chromium reports every answer from 400 on as one."""
        self._expected.append(pattern)

    def unexpected(self) -> list[str]:
        """The errors that the test did not provoke."""
        return [text for text in self.errors if not any(re.search(p, text) for p in self._expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)
        if urlsplit(request.url).netloc != self._host:
            self.foreign.append(request.url)


class Desk:
    """One open page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.watch = Watch(page, url)

    def open(self, url: str | None = None) -> Desk:
        """Load the page and wait until the tasks are there."""
        self.page.goto(url or self.url)
        expect(self.page.get_by_role("radio", name="Short task")).to_be_visible()
        return self

    @property
    def run_button(self) -> Locator:
        return self.page.get_by_role("button", name="Run", exact=True)

    @property
    def tickets(self) -> Locator:
        """All tickets, the newest first."""
        return self.page.get_by_role("article")

    @property
    def jobs(self) -> Locator:
        """The rows of the list of newest jobs."""
        return self.page.get_by_role("region", name="Newest jobs").get_by_role("listitem")

    @property
    def banner(self) -> Locator:
        return self.page.locator("#banner")

    @property
    def alert(self) -> Locator:
        return self.page.get_by_role("alert")

    @property
    def rows(self) -> Locator:
        """The rows of the list of all jobs."""
        return (
            self.page.locator("#view").get_by_role("listitem").filter(has=self.page.get_by_role("checkbox"))
        )

    def go(self, view: str) -> None:
        """Change the address within the page, such as to ``#/jobs?status=failed``."""
        self.page.evaluate("view => { location.hash = view }", view)

    def job_page(self, job_id: str) -> Ticket:
        """Go to the page of a job."""
        self.go(f"#/jobs/{job_id}")
        ticket = Ticket(self, job_id, "#view")
        expect(ticket.element).to_be_visible()
        return ticket

    def submit(
        self, task: str, arguments: dict[str, Any] | None = None, **options: str | float | bool
    ) -> str:
        """Submit a job behind the page's back. Returns its id."""
        answer = self.page.request.post(f"{self.url}tasks/{task}", data=arguments or {}, params=options)
        assert answer.ok, answer.text()
        job_id: str = answer.json()["id"]
        return job_id

    def choose(self, title: str) -> None:
        self.page.get_by_role("radio", name=title).check()

    def run(self, title: str | None = None) -> Ticket:
        """Run a task (None: the chosen one) and return its ticket."""
        if title is not None:
            self.choose(title)
        before = self.tickets.count()
        self.run_button.click()
        expect(self.tickets).to_have_count(before + 1)
        return Ticket(self, self.tickets.first.locator(".job-id").inner_text())

    def job(self, job_id: str) -> dict[str, Any]:
        """The job document, from the API."""
        answer = self.page.request.get(f"{self.url}jobs/{job_id}")
        assert answer.ok, answer.text()
        document: dict[str, Any] = answer.json()
        return document

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return width


class Ticket:
    """The card of one job, or its own page."""

    def __init__(self, desk: Desk, job_id: str, place: str = "#tickets") -> None:
        self.desk = desk
        self.id = job_id
        self.element = desk.page.locator(f"{place} article").filter(has_text=job_id)
        self.stamp = self.element.locator(".stamp")
        self.progress = self.element.get_by_role("progressbar")
        self.log = self.element.get_by_role("region", name="Log of")
        self.result = self.element.locator(".result")
        self.failure = self.element.locator(".failure")

    def button(self, name: str) -> Locator:
        return self.element.get_by_role("button", name=name, exact=True)

    def unfold(self, name: str) -> None:
        """Open a folded part, such as the traceback."""
        self.element.locator("summary").filter(has_text=name).click()

    def becomes(self, status: str) -> None:
        """Wait until the ticket tells that status."""
        expect(self.stamp).to_have_text(status, timeout=JOB_END)

    def log_lines(self) -> list[str]:
        """The lines printed so far."""
        return self.log.inner_text().splitlines() if self.log.count() else []
