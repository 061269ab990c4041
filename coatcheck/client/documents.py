"""Jobs as the API's documents tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coatcheck.client.errors import ResponseError
from coatcheck.client.wire import Answer
from coatcheck.job import Job, JobError, JobStatus, Progress, parse_time

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as an answer showed it; ``retry_after``: seconds until it makes sense to look again."""

    document: Document
    job: Job
    retry_after: float


def seen(document: Document, answer: Answer) -> Seen:
    """A job's document, read. Raises ResponseError."""
    try:
        return Seen(document, _job(document), answer.retry_after or 1.0)
    except (KeyError, TypeError, ValueError) as error:
        raise ResponseError(f"the API answered with a job that can't be read: {error!r}", 200) from error


@dataclass(frozen=True, slots=True)
class SeenBatch:
    """A batch as an answer showed it, with its jobs; ``retry_after`` as of a job."""

    document: Document
    jobs: tuple[Seen, ...]
    retry_after: float


def seen_batch(answer: Answer) -> SeenBatch:
    """A batch's document, read. Raises ResponseError."""
    document = read(answer)
    try:
        jobs = tuple(seen(entry, answer) for entry in document["jobs"])
        return SeenBatch(document, jobs, answer.retry_after or 1.0)
    except (KeyError, TypeError) as error:
        raise ResponseError(f"the API answered with a batch that can't be read: {error!r}", 200) from error


def read(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer. Raises ResponseError: it has none."""
    try:
        document = answer.document
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ResponseError("the answer is not the API's: is the URL right?", answer.status)
    return document


def _job(document: Document) -> Job:
    progress, error = document["progress"], document["error"]
    return Job(
        id=document["id"],
        task=document["task"],
        queue=document["queue"],
        status=JobStatus(document["status"]),
        arguments=document.get("arguments") or {},
        created_at=parse_time(document["created_at"]),
        attempt=document["attempt"],
        interrupted=document["interrupted"],
        progress=progress and Progress(progress["fraction"], progress["message"]),
        result=document.get("result"),
        error=error and JobError(error["type"], error["message"], error.get("traceback")),
        enqueued_at=_time(document["enqueued_at"]),
        scheduled_for=_time(document["scheduled_for"]),
        started_at=_time(document["started_at"]),
        ended_at=_time(document["ended_at"]),
        worker=document["worker"],
        stop_requested=document["stop_requested"],
        owner=document.get("owner"),
        after=tuple(document.get("after") or ()),
        if_failed=document.get("if_failed"),
        batch=document.get("batch"),
        parent=document.get("parent"),
        children=tuple(document.get("children") or ()),
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)
