"""What the world is told of a job: by the API, and by a callback."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from coatcheck.job import Job, format_time

if TYPE_CHECKING:
    from coatcheck.files.showing import Link


def job_fields(job: Job, link: Link | None = None) -> dict[str, Any]:
    """All of a job as JSON has it, but no links: only the API knows where it is.

    Takes what makes the links of files; None: these have none either.
    """
    progress, error, created_at = job.progress, job.error, format_time(job.created_at)
    fields = {
        "id": job.id,
        "task": job.task,
        "queue": job.queue,
        "status": job.status.value,
        "progress": progress and {"fraction": progress.fraction, "message": progress.message},
        "arguments": job.arguments,
        "result": job.result,
        "result_file": None,
        "error": error and {"type": error.type, "message": error.message, "traceback": error.traceback},
        "attempt": job.attempt,
        "interrupted": job.interrupted,
        "created_at": created_at,
        # Most jobs are queued as they are created.
        "enqueued_at": created_at if job.enqueued_at == job.created_at else time(job.enqueued_at),
        "scheduled_for": time(job.scheduled_for),
        "started_at": time(job.started_at),
        "ended_at": time(job.ended_at),
        "worker": job.worker,
        "stop_requested": job.stop_requested,
        "owner": job.owner,
        "after": list(job.after),
        "if_failed": job.if_failed,
        "batch": job.batch,
        "parent": job.parent,
        "children": list(job.children),
    }
    if job.files:
        from coatcheck.files.showing import job_files

        fields |= job_files(job, link)
    return fields


def time(moment: datetime | None) -> str | None:
    """A time in RFC 3339, or None."""
    return None if moment is None else format_time(moment)
