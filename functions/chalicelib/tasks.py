"""``/tasks``: the catalogue, and the submission of one job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from chalicelib import bodies, waiting
from chalicelib.context import Context, current
from chalicelib.documents import job_document, task_document
from chalicelib.options import NAMES, REPEATED, from_query, idempotency_key
from chalicelib.requests import Request
from chalicelib.responses import PRIVATE, REVALIDATE, Answer, conditional, json_answer, retry_after
from chalicelib.routing import Route
from chalicelib.submissions import single, submit
from coatcheck.catalog import TaskSpec
from coatcheck.errors import UnavailableError, UnknownJobError
from coatcheck.job import Job
from coatcheck.schema import coerce_form
from coatcheck.scopes import Scope


def list_tasks(request: Request) -> Answer:
    """All tasks that the caller may use, and the catalogue's version."""
    context = current()
    tasks = [task for task in context.catalog.tasks if request.caller.may_use(task.name)]
    documents = [task_document(task, request, context) for task in tasks]
    document = {"tasks": documents, "version": context.catalog.version}
    return conditional(request, json_answer(document, headers=REVALIDATE))


def get_task(request: Request) -> Answer:
    """One task."""
    context = current()
    task = _task(request, context)
    return conditional(request, json_answer(task_document(task, request, context), headers=REVALIDATE))


def submit_task(request: Request) -> Answer:
    """Submit a job: the body is the task's arguments. A client may want to wait for its end."""
    context = current()
    wish = waiting.wish(request, context)
    task = _task(request, context)
    arguments = _arguments(request, task, context.settings.max_body)
    options = from_query(request, context)
    key = idempotency_key(request)
    entry = single(task, arguments, options)
    [job], limits = submit(context, [entry], key, request.caller)
    try:
        job, headers = waiting.wait(job, wish, context)
    except (UnavailableError, UnknownJobError):
        headers = {}  # the job as it is: who is told of an error might submit it again
    return accepted(job, request, limits | headers)


def accepted(job: Job, request: Request, more: Mapping[str, str] | None = None) -> Answer:
    """202 with the job, 200 when it has ended, and where to find it. Takes what headers tell besides."""
    document = job_document(job, request)
    status = HTTPStatus.OK if job.ended else HTTPStatus.ACCEPTED
    headers = {**PRIVATE, "Location": document["links"]["self"], **retry_after(job), **(more or {})}
    return json_answer(document, status, headers)


def _task(request: Request, context: Context) -> TaskSpec:
    """The task of the path. Raises ForbiddenError, UnknownTaskError."""
    name = request.parameters["name"]
    request.caller.check_tasks([name])
    return context.catalog.get(name)


def _arguments(request: Request, task: TaskSpec, max_body: int) -> dict[str, Any]:
    if request.body and bodies.is_form(request):
        arguments = coerce_form(task, bodies.form_fields(request, max_body))
        # A field may hold JSON of its own, which has to be as strict as a body.
        return dict(bodies.parse_json(json.dumps(arguments).encode()))
    return bodies.json_object(request, max_body, empty={})


ROUTES = (
    Route("GET", "/tasks", list_tasks, Scope.READ),
    Route("GET", "/tasks/{name}", get_task, Scope.READ),
    Route("POST", "/tasks/{name}", submit_task, Scope.SUBMIT, NAMES | {"wait"}, REPEATED),
)
