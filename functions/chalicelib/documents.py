"""What the API shows of a job and of a task."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.context import Context
from chalicelib.requests import Request
from coatcheck.catalog import TaskSpec
from coatcheck.job import Job, format_time


def job_document(job: Job, request: Request) -> dict[str, Any]:
    """All of a job."""
    progress, error = job.progress, job.error
    address = request.link("jobs", job.id)
    return {
        "id": job.id,
        "task": job.task,
        "queue": job.queue,
        "status": job.status.value,
        "progress": progress and {"fraction": progress.fraction, "message": progress.message},
        "arguments": job.arguments,
        "result": job.result,
        "error": error and {"type": error.type, "message": error.message, "traceback": error.traceback},
        "attempt": job.attempt,
        "interrupted": job.interrupted,
        "created_at": format_time(job.created_at),
        "enqueued_at": time(job.enqueued_at),
        "scheduled_for": time(job.scheduled_for),
        "started_at": time(job.started_at),
        "ended_at": time(job.ended_at),
        "worker": job.worker,
        "stop_requested": job.stop_requested,
        "owner": job.owner,
        "links": {
            "self": address,
            "log": f"{address}/log",
            "retry": f"{address}/retry",
            "task": request.link("tasks", job.task),
        },
    }


def job_summary(job: Job, request: Request) -> dict[str, Any]:
    """A job in a list: all but arguments, result and traceback, which may be large."""
    document = job_document(job, request)
    del document["arguments"], document["result"]
    if document["error"]:
        del document["error"]["traceback"]
    return document


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
        "links": {"self": address, "submit": address},
    }


def time(moment: datetime | None) -> str | None:
    """A time in RFC 3339, or None."""
    return None if moment is None else format_time(moment)
