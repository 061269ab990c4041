"""The routes of 2016, so that a client of flask-rq-example still works.

Their JSON is written as Flask wrote it, with a space after each colon and comma.
"""

from __future__ import annotations

import json
from typing import Any

from chalicelib import bodies
from chalicelib.context import current
from chalicelib.documents import sees_tracebacks
from chalicelib.options import Options
from chalicelib.requests import Request
from chalicelib.responses import JSON, PRIVATE, Answer
from chalicelib.routing import Route
from chalicelib.submissions import Entry, submit
from coatcheck.catalog import Catalog, TaskSpec
from coatcheck.errors import FieldError, InvalidRequestError, UnknownJobError
from coatcheck.job import Job, JobStatus
from coatcheck.schema import validate
from coatcheck.scopes import Scope


def run_task(request: Request) -> Answer:
    """Submit the task that the form names, without arguments."""
    context = current()
    fields = dict(bodies.form_fields(request, context.settings.max_body))
    if "task" not in fields:
        raise InvalidRequestError(
            "The form has no field 'task'.", errors=[FieldError("/task", "is required")]
        )
    task = find_task(context.catalog, fields["task"])
    request.caller.check_tasks([task.name])
    validate(task, {})
    [job], limits = submit(context, [Entry(task, {}, Options())], None, request.caller)
    return _answer({}, 202, {**limits, "Location": request.link("status", job.id)})


def get_status(request: Request) -> Answer:
    """Status and result of a job; ``unknown`` for whatever is no job's id."""
    try:
        job = current().adapter.get(request.parameters["id"], request.caller.access)
    except UnknownJobError:
        return _answer({"status": "unknown"})
    document = {"status": job.status.value, "result": job.result}
    if job.status is JobStatus.FAILED:
        document["message"] = _message(job, sees_tracebacks(request))
    return _answer(document)


def find_task(catalog: Catalog, text: str) -> TaskSpec:
    """The task of a title, of a full name, or of a function's name.

    Raises UnknownTaskError; InvalidRequestError: several tasks are called so.
    """
    matches = (
        [task for task in catalog.tasks if task.name == text]
        or [task for task in catalog.tasks if task.title == text]
        or [task for task in catalog.tasks if task.name.rpartition(".")[2] == text]
    )
    if len(matches) > 1:
        names = ", ".join(task.name for task in matches)
        raise InvalidRequestError(f"Several tasks are called {text!r}: name one of {names}.")
    return matches[0] if matches else catalog.get(text)


def _message(job: Job, traceback: bool) -> str | None:
    if job.error is None:
        return None
    lines = (job.error.traceback or "").strip().splitlines() if traceback else []
    return lines[-1] if lines else f"{job.error.type}: {job.error.message}"


def _answer(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, json.dumps(document), {"Content-Type": JSON, **PRIVATE, **(headers or {})})


ROUTES = (
    Route("POST", "/_run_task", run_task, Scope.SUBMIT, None),
    Route("GET", "/status/{id}", get_status, Scope.READ, None),
)
