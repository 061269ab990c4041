"""What is told of each request: a line of JSON in the log, and where tracing is on a span.

A handler notes the jobs that its request is about; the rest is seen from outside.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib import lambda_runtime
from chalicelib.context import Context, current
from coatcheck.errors import CoatcheckError
from coatcheck.job import Job, Submission, is_job_id
from coatcheck.log_lines import about
from coatcheck.trace_context import read_context

if TYPE_CHECKING:
    from coatcheck.tracing import Tracing

READING = ("GET", "HEAD")
MAX_SHOWN = 1000
"""Most ids of jobs in one line: an event of CloudWatch's logs holds 256 KB."""

log = logging.getLogger("coatcheck.functions")

_noted: ContextVar[list[Job] | None] = ContextVar("noted", default=None)


def note(jobs: Sequence[Job]) -> None:
    """Tell which jobs the request is about."""
    noted = _noted.get()
    if noted is not None:
        noted.extend(jobs)


def sending(
    context: Context, submissions: Sequence[Submission]
) -> AbstractContextManager[Sequence[Submission]]:
    """Around a submission: gives what to submit, with the context of the trace in it."""
    if context.tracing is None:
        return nullcontext(submissions)
    return _traced(context.tracing, submissions)


@contextmanager
def _traced(tracing: Tracing, submissions: Sequence[Submission]) -> Iterator[Sequence[Submission]]:
    with tracing.send(submissions) as trace:
        yield [replace(submission, trace=trace) for submission in submissions]


def middleware(
    request: ChaliceRequest, get_response: Callable[[ChaliceRequest], ChaliceResponse]
) -> ChaliceResponse:
    """Chalice middleware, the outermost: it sees the answer as the client will get it."""
    try:
        context = current()
    except CoatcheckError:
        return get_response(request)  # which tells the same error
    if context.tracing is None and context.settings.log_format != "json":
        return get_response(request)
    try:
        with ExitStack() as stack:
            return _observed(context, request, get_response, stack)
    finally:
        if context.tracing is not None and lambda_runtime.ON_LAMBDA:
            context.tracing.flush()  # Lambda freezes the process once it has answered


def _observed(
    context: Context,
    request: ChaliceRequest,
    get_response: Callable[[ChaliceRequest], ChaliceResponse],
    stack: ExitStack,
) -> ChaliceResponse:
    started = time.monotonic()
    path = str(request.context.get("path") or request.path)
    fields: dict[str, Any] = {"method": request.method, "path": path}
    if identifier := getattr(request.lambda_context, "aws_request_id", None):
        fields["request"] = identifier
    job_id = (request.uri_params or {}).get("id", "")
    if is_job_id(job_id):
        fields["job"] = job_id
    answered: Callable[..., None] | None = None
    if context.tracing is not None:
        headers = request.headers
        parent = read_context(headers.get("traceparent", ""), headers.get("tracestate", ""))
        answered = stack.enter_context(context.tracing.request(request.method, request.path, path, parent))
        if trace := context.tracing.current():
            fields["trace_id"] = trace.trace_id
    jobs: list[Job] = []
    stack.callback(_noted.reset, _noted.set(jobs))
    stack.callback(about.reset, about.set(fields))
    response = get_response(request)
    fields |= _of_jobs(jobs)
    if answered is not None:
        more = {name: fields[name] for name in ("job", "task") if name in fields}
        answered(response.status_code, **more)
    if request.method not in READING or response.status_code >= HTTPStatus.BAD_REQUEST:
        _log(response.status_code, time.monotonic() - started, fields)
    return response


def _of_jobs(jobs: Sequence[Job]) -> dict[str, Any]:
    if not jobs:
        return {}
    tasks = ",".join(sorted({job.task for job in jobs}))
    if len(jobs) == 1:
        return {"job": jobs[0].id, "task": tasks}
    return {"jobs": [job.id for job in jobs[:MAX_SHOWN]], "task": tasks}


def _log(status: int, seconds: float, fields: dict[str, Any]) -> None:
    """The request's line; a laptop's server has one of its own where lines are no JSON."""
    level = logging.WARNING if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logging.INFO
    number = f" {len(fields['jobs'])} jobs" if "jobs" in fields else ""
    job = f" job {fields['job']}" if "job" in fields else number
    text = f"{fields['method']} {fields['path']} {status} {seconds * 1000:.0f} ms{job}"
    log.log(level, text, extra={"status": status, "duration": round(seconds, 4)})
