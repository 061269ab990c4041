"""``/tasks``: the catalogue, and the submission of one job."""

from __future__ import annotations

import json
from typing import Any

from chalicelib import bodies
from chalicelib.context import current
from chalicelib.documents import job_document, task_document
from chalicelib.options import NAMES, from_query, idempotency_key
from chalicelib.requests import Request
from chalicelib.responses import PRIVATE, REVALIDATE, Answer, conditional, json_answer, retry_after
from chalicelib.routing import Route
from chalicelib.submissions import Entry, submit
from coatcheck.catalog import TaskSpec
from coatcheck.job import Job
from coatcheck.schema import coerce_form, validate


def list_tasks(request: Request) -> Answer:
    """All tasks and the catalogue's version."""
    context = current()
    documents = [task_document(task, request, context) for task in context.catalog.tasks]
    document = {"tasks": documents, "version": context.catalog.version}
    return conditional(request, json_answer(document, headers=REVALIDATE))


def get_task(request: Request) -> Answer:
    """One task."""
    context = current()
    task = context.catalog.get(request.parameters["name"])
    return conditional(request, json_answer(task_document(task, request, context), headers=REVALIDATE))


def submit_task(request: Request) -> Answer:
    """Submit a job: the body is the task's arguments."""
    context = current()
    task = context.catalog.get(request.parameters["name"])
    arguments = _arguments(request, task, context.settings.max_body)
    options = from_query(request, context)
    key = idempotency_key(request)
    validate(task, arguments)
    [job] = submit(context, [Entry(task, arguments, options)], key)
    return accepted(job, request)


def accepted(job: Job, request: Request) -> Answer:
    """202 with the job and where to find it."""
    headers = {**PRIVATE, "Location": request.link("jobs", job.id), **retry_after(job)}
    return json_answer(job_document(job, request), 202, headers)


def _arguments(request: Request, task: TaskSpec, max_body: int) -> dict[str, Any]:
    if request.body and bodies.is_form(request):
        arguments = coerce_form(task, bodies.form_fields(request, max_body))
        # A field may hold JSON of its own, which has to be as strict as a body.
        return dict(bodies.parse_json(json.dumps(arguments).encode()))
    return bodies.json_object(request, max_body, empty={})


ROUTES = (
    Route("GET", "/tasks", list_tasks),
    Route("GET", "/tasks/{name}", get_task),
    Route("POST", "/tasks/{name}", submit_task, NAMES),
)
