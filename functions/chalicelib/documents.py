"""What the API shows of a job and of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.context import Context, current
from chalicelib.requests import Request
from coatcheck.catalog import TaskSpec
from coatcheck.document import job_fields
from coatcheck.job import Job, format_time
from coatcheck.scopes import Scope

if TYPE_CHECKING:
    from coatcheck.batches import Batch

MAX_MESSAGE = 500
"""Most characters of an error's message in a list: with all of them a thousand jobs that failed would be more
than the 6 MB that Lambda answers."""


def job_document(job: Job, request: Request) -> dict[str, Any]:
    """All of a job."""
    address = request.link("jobs", job.id)
    files = current().adapter.files if job.files else None
    fields = job_fields(job, None if files is None else files.link)
    if job.error is not None and not sees_tracebacks(request):
        fields["error"]["traceback"] = None
    fields["links"] = {
        "self": address,
        "log": f"{address}/log",
        "retry": request.allowed(f"{address}/retry", Scope.SUBMIT),
        "task": request.link("tasks", job.task),
    }
    return fields


def sees_tracebacks(request: Request) -> bool:
    """Whether the caller is shown tracebacks."""
    return current().settings.tracebacks == "all" or Scope.ADMIN in request.caller.scopes


def job_summary(job: Job, request: Request) -> dict[str, Any]:
    """A job in a list: all but what may be large, so without arguments, result, traceback and children."""
    document = job_document(job, request)
    for name in ("arguments", "result", "result_file", "children"):
        del document[name]
    if error := document["error"]:
        del error["traceback"]
        error["message"] = _cut(error["message"])
    return document


def batch_document(batch: Batch, request: Request) -> dict[str, Any]:
    """A batch, with its first jobs as in a list."""
    return {
        "id": batch.id,
        "created_at": format_time(batch.created_at),
        "owner": batch.owner,
        "status": batch.status.value,
        "counts": batch.counts,
        "total": batch.total,
        "progress": batch.progress,
        "jobs": [job_summary(job, request) for job in batch.jobs],
        "links": {
            "self": request.link("batches", batch.id),
            "jobs": f"{request.link('jobs')}?batch={batch.id}",
        },
    }


def task_document(task: TaskSpec, request: Request, context: Context) -> dict[str, Any]:
    """A task, with the queue and the time-out that a job of it gets without options."""
    address = request.link("tasks", task.name)
    return {
        "name": task.name,
        "title": task.title,
        "description": task.description,
        "queue": task.queue or context.settings.queues[0],
        "timeout": task.timeout or context.settings.default_timeout,
        "retries": task.retries,
        "schema": task.schema,
        "result": task.result,
        "links": {"self": address, "submit": request.allowed(address, Scope.SUBMIT)},
    }


def _cut(message: str) -> str:
    """The beginning of a message, that ends with an ellipsis if there is more."""
    return message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 1]}…"
