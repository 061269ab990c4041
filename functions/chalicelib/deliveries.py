"""``/jobs/{id}/deliveries``: how a job's end was told to its callback, and once more."""

from __future__ import annotations

from dataclasses import asdict

from chalicelib import observe
from chalicelib.context import current
from chalicelib.requests import Request
from chalicelib.responses import PRIVATE, Answer, json_answer
from chalicelib.routing import Route
from chalicelib.tasks import accepted
from coatcheck.scopes import Scope


def list_deliveries(request: Request) -> Answer:
    """Each attempt to tell the job's end to its callback, oldest first."""
    found = current().adapter.deliveries(request.parameters["id"], request.caller.access)
    document = {"callback": found.callback, "attempts": [asdict(attempt) for attempt in found.attempts]}
    return json_answer(document, headers=PRIVATE)


def deliver_again(request: Request) -> Answer:
    """Tell the job's end to its callback once more; the answer is the job that does it."""
    job = current().adapter.deliver_again(request.parameters["id"], request.caller.access)
    observe.note([job])
    return accepted(job, request)


ROUTES = (
    Route("GET", "/jobs/{id}/deliveries", list_deliveries, Scope.READ),
    Route("POST", "/jobs/{id}/deliveries", deliver_again, Scope.SUBMIT),
)
