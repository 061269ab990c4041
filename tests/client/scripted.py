"""An API that answers what a test says, in its order, and remembers what it was asked."""

from __future__ import annotations

from typing import Any

import httpx

Scripted = httpx.Response | Exception

JOB: dict[str, Any] = {
    "id": "0" * 36,
    "task": "a.b",
    "queue": "default",
    "status": "started",
    "progress": None,
    "arguments": {},
    "result": None,
    "error": None,
    "attempt": 1,
    "interrupted": 0,
    "created_at": "2026-11-25T10:00:00.000000Z",
    "enqueued_at": None,
    "scheduled_for": None,
    "started_at": None,
    "ended_at": None,
    "worker": None,
    "stop_requested": False,
    "links": {},
}


def job(**changes: Any) -> httpx.Response:
    """A job's document, due to be looked at again at once."""
    return httpx.Response(200, json={**JOB, **changes}, headers={"Retry-After": "1"})


def problem(status: int, slug: str, errors: Any = (), **headers: str) -> httpx.Response:
    """A problem document."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(
        status,
        json={"type": f"urn:coatcheck:problem:{slug}", "status": status, "detail": "so", "errors": errors},
        headers={"Content-Type": "application/problem+json", **names},
    )


class ScriptedApi(httpx.MockTransport):
    """Takes the answers; the last is given again and again. An exception is raised instead."""

    def __init__(self, *answers: Scripted) -> None:
        super().__init__(self._answer)
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
