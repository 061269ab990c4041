"""The API's uploads and a store on the page's own origin, as a test wants them: slow, broken, in parts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, Request, Route

UPLOADS = re.compile(r"/uploads(/|\?|$)")
STORE = re.compile(r"/fake-store/")


class FakeUploads:
    """Answers the page's requests. ``fault`` may answer one itself: then it returns whether it did."""

    def __init__(self, page: Page) -> None:
        self.part_size: int | None = None
        self.fault: Callable[[Route], bool] = lambda route: False
        self.told: list[str] = []
        self.announced: list[dict[str, Any]] = []
        self.completed: list[dict[str, Any]] = []
        self.parts: dict[int, int] = {}
        self.headers: list[dict[str, str]] = []
        page.route(UPLOADS, self._answer)
        page.route(STORE, self._answer)

    def _answer(self, route: Route) -> None:
        request = route.request
        path = request.url.partition("/fake-store")[1] or "/uploads"
        self.told.append(f"{request.method} {path}{request.url.partition(path)[2].partition('#')[0]}")
        if self.fault(route):
            return
        if path == "/fake-store":
            self.headers.append(request.headers)
            self.parts[int(request.url.rpartition("/")[2])] = int(request.headers.get("content-length", 0))
            route.fulfill(status=200, body="")
        else:
            self._upload(route, request)

    def _upload(self, route: Route, request: Request) -> None:
        match request.method, request.url.partition("/uploads")[2].strip("/").partition("?")[0].split("/"):
            case "POST", [""]:
                self.announced.append(json.loads(request.post_data or ""))
                self.parts.clear()
                route.fulfill(status=201, json=self._state(range(1, 101)))
            case "GET", [_]:
                first, last = map(int, request.url.partition("parts=")[2].split("-"))
                route.fulfill(json=self._state(range(first, last + 1)))
            case "POST", [_, "complete"]:
                self.completed.append(json.loads(request.post_data or ""))
                route.fulfill(json=self._file())
            case _:
                route.fulfill(status=204, body="")

    def _file(self) -> dict[str, Any]:
        number = len(self.announced)
        return {"$file": f"f{number}", "url": None, "expires_at": None, **self.announced[-1]}

    def _state(self, numbers: range) -> dict[str, Any]:
        size: int = self.announced[-1]["size"]
        count = -(-size // self.part_size) if self.part_size else 1
        return {
            "id": f"f{len(self.announced)}",
            "status": "waiting",
            "file": self._file(),
            "part_size": self.part_size,
            "count": count,
            "arrived": [{"number": number, "size": size} for number, size in self.parts.items()],
            "parts": [
                {
                    "number": number,
                    "size": 0,
                    "method": "PUT",
                    "url": f"fake-store/{number}",
                    "headers": {"X-Check": "yes"},
                }
                for number in numbers
                if number <= count and number not in self.parts
            ],
        }


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
