"""Between a job and the hash that RQ keeps of it. JSON only, in both directions."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from coatcheck.job import (
    CANCEL,
    RUN,
    Job,
    JobError,
    JobStatus,
    Progress,
    Submission,
    parse_time,
    submitted_at_ms,
)
from coatcheck.json_depth import check_depth
from coatcheck.trace_context import TraceContext, read_context

if TYPE_CHECKING:
    from coatcheck.files.info import FileInfo
    from coatcheck.signing import Signatures

ENTRY_POINT = "worker_image.runner.run"
"""The one function that jobs name. Which task it runs travels as data, so that whoever can write to
Redis can't choose a function: RQ imports any dotted path that stands in a job."""

SUMMARY_FIELDS = (
    "status",
    "origin",
    "description",
    "owner",
    "created_at",
    "enqueued_at",
    "scheduled_for",
    "started_at",
    "ended_at",
    "worker_name",
    "attempt",
    "interrupted",
    "progress",
    "error",
    "stop_requested",
    "dependency_ids",
    "allow_dependency_failures",
    "failed_dependency",
    "batch",
    "parent",
)
"""The fields of a job's hash that a list shows: all that stay small. The first four the scripts know."""

SHOWN_FIELDS = (
    b"data",
    b"status",
    b"origin",
    b"created_at",
    b"owner",
    b"attempt",
    b"enqueued_at",
    b"started_at",
    b"ended_at",
    b"worker_name",
    b"scheduled_for",
    b"interrupted",
    b"progress",
    b"error",
    b"stop_requested",
    b"batch",
    b"dependency_ids",
    b"allow_dependency_failures",
    b"failed_dependency",
    b"parent",
    b"children",
)
"""Those that one job's document is made of, as ``shown.lua`` names them: first what most jobs have, since the
values end with the last that there is."""

NOT_AT_ONCE = {b"scheduled_for", b"dependency_ids"}
"""Fields of jobs that were not put on their queue as they were created."""

COMPRESS_FROM = 512
"""Bytes of a job's data from which on it is compressed. Below it costs more than it saves; RQ reads both."""
WHOLE = re.compile(rb"-?[0-9]{1,18}")
FOREVER = 100 * 365 * 24 * 3600
"""Seconds: more than any of ours lasts, and few enough to reckon with."""
A_FILE, A_RESULT_FILE = b'"$file"', b'"$result_file"'
"""What stands in the JSON of whatever has a file: looked for before anything is done about files."""
MAX_DEPTH = 400
"""Deepest nesting of what is read from Redis; a body has less, but a result may have more."""
MAX_DATA = 64 * 1024 * 1024
"""Most bytes that a job's data may decompress to."""


class MalformedJobError(ValueError):
    """A hash in Redis is no job of ours. ``kind`` is the type of the error that its job ends with."""

    kind = "MalformedJob"


class QuarantinedJobError(MalformedJobError):
    """A job was changed or planted: its signature does not hold."""

    kind = "Quarantined"


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def dumps(value: Any) -> str:
    """JSON as short as it gets. Raises ValueError for NaN and infinities, TypeError for other types."""
    return _ENCODER.encode(value)


def _loads(text: bytes) -> Any:
    """Read JSON. Raises ValueError for NaN and infinities too, which no answer could hold; RecursionError."""
    decoded = text.decode()
    value = _DECODER.decode(decoded)
    check_depth(decoded, value, MAX_DEPTH)
    return value


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number


_DECODER = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)


def _deflate(data: bytes) -> bytes:
    return data if len(data) < COMPRESS_FROM else zlib.compress(data, 1)


def _inflate(data: bytes) -> bytes:
    if data[:1] == b"[":
        return data
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, MAX_DATA)
    if not inflater.eof:
        raise MalformedJobError("it is too large or cut off")
    return text


def encode_submission(
    submission: Submission,
    failure_ttl: int,
    signatures: Signatures | None = None,
    *,
    compress: bool = True,
) -> tuple[dict[str, str], bytes]:
    """A new job's fields as RQ names them, and its ``data``; status and times are the script's.

    Takes what signs jobs, None where they are not signed; ``compress``: where it saves something.
    """
    call: list[Any] = [ENTRY_POINT, None, [submission.task, submission.arguments], {}]
    fields = {
        "origin": submission.queue,
        "description": submission.task,
        "timeout": str(submission.timeout),
        "result_ttl": str(submission.result_ttl),
        "failure_ttl": str(failure_ttl),
    }
    if submission.retries == 0:
        fields["at_most_once"] = "1"
    elif submission.retries:
        fields["retries"] = fields["retries_left"] = str(submission.retries)
        fields["retry_intervals"] = dumps(list(submission.retry_delays) or [0])
    if submission.owner is not None:
        fields["owner"] = submission.owner
    if submission.after:
        fields["dependency_ids"] = dumps(submission.after)
        fields["allow_dependency_failures"] = "1" if submission.if_failed == RUN else "0"
    if submission.batch is not None:
        fields["batch"] = submission.batch
    if submission.parent is not None:
        fields["parent"] = submission.parent
    if submission.trace is not None:
        fields["traceparent"] = submission.trace.traceparent
        if submission.trace.tracestate:
            fields["tracestate"] = submission.trace.tracestate
    if submission.delivery is not None:
        fields |= encode_delivery(submission.delivery, failure_ttl, signatures)
    data = dumps(call).encode()
    if compress:
        data = _deflate(data)
    if signatures is not None:
        fields["signature"] = signatures.sign(submission.id, fields, data)
    return fields, data


def packed(submission: Submission, failure_ttl: int, signatures: Signatures | None) -> tuple[str, bytes]:
    """What ``submit.lua`` takes of a job: two arguments, since redis-py takes its time for each."""
    fields, data = encode_submission(submission, failure_ttl, signatures)
    due = "" if submission.at is None else f"{submission.at.timestamp():.6f}"
    return dumps([submission.id, submission.queue, due, *chain.from_iterable(fields.items())]), data


def encode_delivery(
    delivery: Submission, failure_ttl: int, signatures: Signatures | None = None
) -> dict[str, str]:
    """What a job's hash carries of the delivery to its callback: the URL, the delivery's id and its hash."""
    fields, data = encode_submission(delivery, failure_ttl, signatures, compress=False)
    carried = fields | {"data": data.decode()}
    return {
        "callback": delivery.arguments["url"],
        "delivery": delivery.id,
        **{f"delivery.{name}": value for name, value in carried.items()},
    }


def decode_trace(fields: Mapping[bytes, bytes]) -> TraceContext | None:
    """The span that submitted a job, from its hash; None if there is none, or none that is valid."""
    parent, state = (
        fields.get(name, b"").decode("ascii", "replace") for name in (b"traceparent", b"tracestate")
    )
    return read_context(parent, state)


def decode_call(data: bytes) -> tuple[str, dict[str, Any]]:
    """The task and the arguments of a job's ``data``.

    Raises MalformedJobError: not JSON, not the one function that jobs may name, or not its arguments.
    """
    return _call(_call_text(data))


def _call_text(data: bytes) -> bytes:
    try:
        return _inflate(data)
    except zlib.error as error:
        raise MalformedJobError("the job's data is not Coatcheck's JSON") from error


def _call(text: bytes) -> tuple[str, dict[str, Any]]:
    try:
        function, instance, args, kwargs = _loads(text)
        task, arguments = args
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedJobError("the job's data is not Coatcheck's JSON") from error
    if function != ENTRY_POINT or instance is not None or kwargs != {}:
        raise MalformedJobError("the job names a function that is not Coatcheck's")
    if not isinstance(task, str) or not isinstance(arguments, dict):
        raise MalformedJobError("the job's arguments are not a task's name and an object")
    return task, arguments


def decode_delays(text: bytes) -> list[int]:
    """The seconds before each retry. Raises MalformedJobError."""
    try:
        delays: Any = _loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJobError("the delays of its retries are no JSON") from error
    whole_seconds = isinstance(delays, list) and all(
        type(delay) is int and 0 <= delay <= FOREVER for delay in delays
    )
    if not whole_seconds:
        raise MalformedJobError("the delays of its retries are not whole seconds")
    found: list[int] = delays
    return found


def decode_after(fields: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """The jobs that a job comes after, from its hash. Raises MalformedJobError."""
    text = fields.get(b"dependency_ids")
    if not text:
        return ()
    try:
        found: Any = _loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJobError("the jobs that it comes after are no JSON") from error
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise MalformedJobError("the jobs that it comes after are no list of ids")
    return tuple(found)


def whole(fields: Mapping[bytes, bytes], name: str, otherwise: int | None = None) -> int:
    """A whole number of a job's hash, without what it can't be. Raises MalformedJobError."""
    text = fields.get(name.encode())
    if text is None and otherwise is not None:
        return otherwise
    if text is None or not WHOLE.fullmatch(text):
        raise MalformedJobError(f"the job's hash is damaged: its {name} is no number")
    return min(int(text), FOREVER)


def decode_job(
    job_id: str, fields: Mapping[bytes, bytes], record: Mapping[bytes, bytes] | None = None
) -> Job:
    """A job from its whole hash and the newest record of its results.

    Raises MalformedJobError: the hash is not of a job that Coatcheck submitted.
    """
    data = fields.get(b"data")
    if data is None:
        raise MalformedJobError("the job has no data")
    text = _call_text(data)
    task, arguments = _call(text)
    job = _job(job_id, fields, record or {}, task, arguments)
    return replace(job, files=True) if A_FILE in text else job


def decode_shown(job_id: str, values: Sequence[bytes | None], record: Sequence[bytes] = ()) -> Job:
    """A job from the values of SHOWN_FIELDS, as far as there are any, and the newest record of its results.

    Raises MalformedJobError: the hash is not of a job that Coatcheck submitted.
    """
    fields = {name: value for name, value in zip(SHOWN_FIELDS, values, strict=False) if value is not None}
    return decode_job(job_id, fields, dict(zip(record[::2], record[1::2], strict=True)))


def decode_summary(job_id: str, values: list[bytes | None]) -> Job:
    """A job without arguments, result and traceback, from the values of SUMMARY_FIELDS."""
    fields = {
        name.encode(): value for name, value in zip(SUMMARY_FIELDS, values, strict=True) if value is not None
    }
    task = fields.get(b"description", b"").decode("utf-8", "replace")
    return _job(job_id, fields, {}, task, {})


def decode_progress(text: bytes) -> Progress:
    """How far a job is, from that field of its hash. Raises MalformedJobError."""
    try:
        fraction, message = _loads(text)
        return Progress(float(fraction), str(message))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise MalformedJobError("the job's hash is damaged: its progress is none") from error


def encode_result(text: str | None) -> str:
    """A result's JSON as RQ keeps it in the stream of results: null as nothing."""
    if text is None or text == "null":
        return ""
    return base64.b64encode(text.encode()).decode()


def encode_traceback(text: str) -> str:
    """A traceback as RQ keeps it in the stream of results."""
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"))).decode()


def encode_error(error: JobError) -> str:
    """The error as JSON for the job's hash; the traceback goes to the stream of results."""
    return dumps({"type": error.type, "message": error.message})


def _job(
    job_id: str,
    fields: Mapping[bytes, bytes],
    record: Mapping[bytes, bytes],
    task: str,
    arguments: dict[str, Any],
) -> Job:
    try:
        status = JobStatus(_text(fields, b"status"))
        after = decode_after(fields)
        returned = _returned(record) if status is JobStatus.FINISHED else b""
        result = _loads(returned) if returned else None
        file = result_file(result) if A_RESULT_FILE in returned else None
        return Job(
            id=job_id,
            task=task,
            queue=_text(fields, b"origin"),
            status=status,
            arguments=arguments,
            created_at=_time(fields, b"created_at")
            or datetime.fromtimestamp(submitted_at_ms(job_id) / 1000, UTC),
            attempt=int(_text(fields, b"attempt") or 0),
            interrupted=int(_text(fields, b"interrupted") or 0),
            progress=_progress(fields),
            result=None if file else result,
            result_file=file,
            files=A_FILE in returned,
            error=_error(fields, record) if _has_error(fields, status) else None,
            enqueued_at=_time(fields, b"enqueued_at") or _enqueued_as_created(fields, status),
            scheduled_for=_due(fields) if status in (JobStatus.SCHEDULED, JobStatus.DEFERRED) else None,
            started_at=_time(fields, b"started_at"),
            ended_at=_time(fields, b"ended_at"),
            worker=_text(fields, b"worker_name") or None,
            stop_requested=status is JobStatus.STARTED and fields.get(b"stop_requested") == b"1",
            owner=_text(fields, b"owner") or None,
            after=after,
            if_failed=_if_failed(fields) if after else None,
            batch=_text(fields, b"batch") or None,
            parent=_text(fields, b"parent") or None,
            children=tuple(filter(None, _text(fields, b"children").split(","))),
        )
    except (
        ValueError,
        TypeError,
        OverflowError,
        OSError,  # a time out of the platform's range
        RecursionError,
        zlib.error,
    ) as error:
        raise MalformedJobError(f"the job's hash is damaged: {error}") from error


def _text(fields: Mapping[bytes, bytes], name: bytes) -> str:
    return fields.get(name, b"").decode()


def _time(fields: Mapping[bytes, bytes], name: bytes) -> datetime | None:
    text = _text(fields, name)
    return parse_time(text) if text else None


def _enqueued_as_created(fields: Mapping[bytes, bytes], status: JobStatus) -> datetime | None:
    """When a job was put on its queue for which that is not written: as it was created, unless it waits."""
    later = status in (JobStatus.SCHEDULED, JobStatus.DEFERRED) or fields.keys() & NOT_AT_ONCE
    return None if later else _time(fields, b"created_at")


def _if_failed(fields: Mapping[bytes, bytes]) -> str:
    return RUN if fields.get(b"allow_dependency_failures") == b"1" else CANCEL


def _has_error(fields: Mapping[bytes, bytes], status: JobStatus) -> bool:
    """Whether a job's error tells why it has that status: one that a client canceled may have an older."""
    if status is JobStatus.CANCELED:
        return b"failed_dependency" in fields
    return status in (JobStatus.FAILED, JobStatus.STOPPED)


def _due(fields: Mapping[bytes, bytes]) -> datetime | None:
    text = _text(fields, b"scheduled_for")
    return datetime.fromtimestamp(float(text), UTC) if text else None


def _progress(fields: Mapping[bytes, bytes]) -> Progress | None:
    text = fields.get(b"progress")
    return decode_progress(text) if text else None


def decode_result(record: Mapping[bytes, bytes]) -> Any:
    """What a record of the stream of results keeps. Raises ValueError, RecursionError: it is damaged."""
    returned = _returned(record)
    return _loads(returned) if returned else None


def _returned(record: Mapping[bytes, bytes]) -> bytes:
    """The JSON of what a job returned, nothing for null."""
    value = record.get(b"return_value")
    return base64.b64decode(value) if value else b""


def result_file(result: Any) -> FileInfo | None:
    """The file that holds a job's result, if what is kept of it says so."""
    if not isinstance(result, dict) or result.keys() != {"$result_file"}:
        return None
    from coatcheck.files.info import read_info

    return read_info(result["$result_file"])


def _error(fields: Mapping[bytes, bytes], record: Mapping[bytes, bytes]) -> JobError:
    text = fields.get(b"error")
    known = _loads(text) if text else {}
    if not isinstance(known, dict):
        raise MalformedJobError("its error is not an object")
    packed = record.get(b"exc_string")
    traceback = _inflate(base64.b64decode(packed)).decode() if packed else None
    kind, message = str(known.get("type", "Error")), str(known.get("message", ""))
    # RQ's tools get a text in any case: what says nothing more is none.
    return JobError(kind, message, None if traceback == f"{kind}: {message}" else traceback)
