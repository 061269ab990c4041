"""``/batches``: jobs that were submitted together."""

from __future__ import annotations

from chalicelib import observe
from chalicelib.context import current
from chalicelib.documents import batch_document
from chalicelib.requests import Request
from chalicelib.responses import POLL_SECONDS, PRIVATE, Answer, conditional, json_answer
from chalicelib.routing import Route
from coatcheck.batches import Batch, BatchStatus
from coatcheck.scopes import Scope


def get_batch(request: Request) -> Answer:
    """A batch, and how far it is."""
    batch = current().adapter.batch(request.parameters["id"], request.caller.access)
    return conditional(request, _shown(batch, request))


def cancel_batch(request: Request) -> Answer:
    """Cancel those of its jobs that wait, ask for the stop of those that run."""
    batch = current().adapter.cancel_batch(request.parameters["id"], request.caller.access)
    observe.note(batch.jobs)
    return _shown(batch, request, 202)


def _shown(batch: Batch, request: Request, status: int = 200) -> Answer:
    runs = batch.status is BatchStatus.RUNNING
    headers = {**PRIVATE, "Retry-After": str(POLL_SECONDS)} if runs else PRIVATE
    return json_answer(batch_document(batch, request), status, headers)


ROUTES = (
    Route("GET", "/batches/{id}", get_batch, Scope.READ),
    Route("DELETE", "/batches/{id}", cancel_batch, Scope.SUBMIT),
)
