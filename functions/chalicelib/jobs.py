"""``/jobs``: what became of submitted jobs, stop and retry, and the submission of many."""

from __future__ import annotations

from chalicelib import bodies, observe, waiting
from chalicelib.context import current
from chalicelib.documents import job_document, job_summary
from chalicelib.options import idempotency_key
from chalicelib.requests import Request
from chalicelib.responses import POLL_SECONDS, PRIVATE, Answer, conditional, json_answer, retry_after
from chalicelib.routing import Route
from chalicelib.submissions import read_batch, submit
from chalicelib.tasks import accepted
from coatcheck.errors import FieldError, InvalidRequestError
from coatcheck.job import JobStatus, is_job_id, new_job_id
from coatcheck.scopes import Access, Scope
from coatcheck.settings import NAME

FILTERS = frozenset({"status", "queue", "task", "batch", "owner", "cursor", "limit"})
DEFAULT_LIMIT = 50
MAX_LIMIT = 200
"""Jobs on one page of the list."""


def submit_jobs(request: Request) -> Answer:
    """Submit many jobs, all or none."""
    context = current()
    key = idempotency_key(request)
    entries = read_batch(bodies.json_object(request, context.settings.max_body), context)
    request.caller.check_tasks(entry.task.name for entry in entries)
    jobs, limits = submit(context, entries, key, request.caller, batch=new_job_id())
    # Those of an earlier version, which the same key gives again, have none: its address leads nowhere then.
    batch = jobs[0].batch or jobs[0].id
    address = request.link("batches", batch)
    document = {
        "batch": {"id": batch, "links": {"self": address}},
        "jobs": [job_document(job, request) for job in jobs],
    }
    return json_answer(document, 202, {**PRIVATE, **limits, "Retry-After": str(POLL_SECONDS)})


def list_jobs(request: Request) -> Answer:
    """A page of the newest jobs that the caller sees, by status, queue, task, batch and owner."""
    adapter = current().adapter
    errors = [
        FieldError(f"?{name}", detail)
        for name, detail in (
            ("status", _wrong_status(request.option("status"))),
            ("queue", _wrong_queue(request.option("queue"))),
            ("batch", _wrong_batch(request.option("batch"))),
            ("limit", _wrong_limit(request.option("limit"))),
        )
        if detail is not None
    ]
    if errors:
        raise InvalidRequestError("The list can't be filtered like this.", errors=errors)
    status = request.option("status")
    page = adapter.list(
        status=None if status is None else JobStatus(status),
        queue=request.option("queue"),
        task=request.option("task"),
        batch=request.option("batch"),
        cursor=request.option("cursor"),
        limit=int(request.option("limit") or DEFAULT_LIMIT),
        access=_access(request),
    )
    document = {"jobs": [job_summary(job, request) for job in page.jobs], "next": page.next}
    return json_answer(document, headers=PRIVATE)


def get_job(request: Request) -> Answer:
    """One job, at its end if the client wants to wait for that."""
    context = current()
    wish = waiting.wish(request, context)
    job = context.adapter.get(request.parameters["id"], request.caller.access)
    job, headers = waiting.wait(job, wish, context)
    return conditional(request, json_answer(job_document(job, request), headers=PRIVATE | headers))


def stop_job(request: Request) -> Answer:
    """Cancel a job that waits, ask for the stop of one that runs."""
    key = idempotency_key(request)
    job = current().adapter.cancel(request.parameters["id"], request.caller.access, idempotency_key=key)
    observe.note([job])
    return json_answer(job_document(job, request), 202, PRIVATE | retry_after(job))


def retry_job(request: Request) -> Answer:
    """Run a failed, stopped or canceled job again."""
    key = idempotency_key(request)
    job = current().adapter.retry(request.parameters["id"], request.caller.access, idempotency_key=key)
    observe.note([job])
    return accepted(job, request)


def get_log(request: Request) -> Answer:
    """What a job's task printed after a cursor."""
    page = current().adapter.log(request.parameters["id"], request.option("after"), request.caller.access)
    headers = PRIVATE if page.ended else {**PRIVATE, "Retry-After": str(POLL_SECONDS)}
    return json_answer(
        {"text": page.text, "next": page.next, "ended": page.ended, "cut": page.cut}, headers=headers
    )


def _access(request: Request) -> Access:
    """Which jobs the list is of. Raises ForbiddenError: another owner's, for one who is no admin."""
    caller, owner = request.caller, request.option("owner")
    if owner is None or owner == caller.access.owner:
        return caller.access
    caller.check_scope(Scope.ADMIN)
    return Access(owner)


def _wrong_status(text: str | None) -> str | None:
    if text is None or text in list(JobStatus):
        return None
    return f"should be one of {', '.join(JobStatus)}"


def _wrong_queue(text: str | None) -> str | None:
    return None if text is None or NAME.fullmatch(text) else "should be the name of a queue"


def _wrong_batch(text: str | None) -> str | None:
    return None if text is None or is_job_id(text) else "should be the id of a batch"


def _wrong_limit(text: str | None) -> str | None:
    if text is None or (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        return None
    return f"should be a number from 1 to {MAX_LIMIT}"


ROUTES = (
    Route("POST", "/jobs", submit_jobs, Scope.SUBMIT),
    Route("GET", "/jobs", list_jobs, Scope.READ, FILTERS),
    Route("GET", "/jobs/{id}", get_job, Scope.READ, frozenset({"wait"})),
    Route("DELETE", "/jobs/{id}", stop_job, Scope.SUBMIT),
    Route("POST", "/jobs/{id}/retry", retry_job, Scope.SUBMIT),
    Route("GET", "/jobs/{id}/log", get_log, Scope.READ, frozenset({"after"})),
)
