"""An answer as our handlers give it, and the headers that answers share."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalice.app import Response as ChaliceResponse

from chalicelib.requests import Request
from coatcheck.codec import dumps
from coatcheck.job import Job, JobStatus, utcnow

JSON = "application/json"
POLL_SECONDS = 1
"""``Retry-After`` of a job that waits or runs."""
MAX_POLL_SECONDS = 60
"""Longest ``Retry-After`` of a job that is scheduled for later."""
REVALIDATE = {"Cache-Control": "no-cache"}
"""Keep it, but ask each time whether it is still the same (it has an ETag)."""
PRIVATE = {"Cache-Control": "no-store"}
"""Never keep it: it holds what a client's job was about, and changes."""

GUARDED = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What every answer tells browsers: that it is data, to be shown and run by nobody (OWASP REST Security)."""


@dataclass(slots=True)
class Answer:
    """One HTTP response; the body is text, since nothing here answers binary data. Not frozen, as ``Job``."""

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None, kind: str = JSON
) -> Answer:
    """An answer with a JSON body and the content type ``kind``."""
    return Answer(status, to_json(document), {"Content-Type": kind, **(headers or {})})


def to_json(document: Any) -> str:
    """JSON that can be sent as UTF-8: half a surrogate pair, which a task may return, stays escaped."""
    text = dumps(document)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(document, separators=(",", ":"))
    return text


def conditional(request: Request, answer: Answer) -> Answer:
    """The answer with an ETag; 304 and no body if the client has it already (RFC 9110, section 13.1.2)."""
    etag = f'"{hashlib.sha256(answer.body.encode()).hexdigest()[:32]}"'
    headers = {**answer.headers, "ETag": etag}
    if asked := request.headers.get("if-none-match"):
        known = [part.strip().removeprefix("W/") for part in asked.split(",")]
        if etag in known or "*" in known:
            return Answer(304, "", headers)
    return Answer(answer.status, answer.body, headers)


def retry_after(job: Job) -> dict[str, str]:
    """When to ask again for a job: ``Retry-After`` in seconds, nothing once it is over."""
    if job.ended:
        return {}
    seconds = POLL_SECONDS
    if job.status is JobStatus.SCHEDULED and job.scheduled_for is not None:
        left = math.ceil((job.scheduled_for - utcnow()).total_seconds())
        seconds = min(max(POLL_SECONDS, left), MAX_POLL_SECONDS)
    return {"Retry-After": str(seconds)}


def to_chalice(answer: Answer) -> ChaliceResponse:
    """The answer as a Chalice view returns it."""
    headers: dict[str, str | list[str]] = {**GUARDED, **answer.headers}
    return ChaliceResponse(answer.body, headers=headers, status_code=answer.status)
