"""What a client raises.

    CoatcheckError
    ├── ProblemError               what the API refuses; its subclasses are in coatcheck/errors.py
    ├── SettingsError              no URL, or one that is none
    └── ClientError
        ├── ConnectionFailedError  the API can't be reached, or did not answer
        ├── ResponseError          an answer that is none of the API's
        ├── WaitTimeoutError       the job had not ended in the time given; it goes on
        ├── TransferError          a file did not come through, or not as it was promised
        └── JobEndedError          the job ended without a result
            ├── JobFailedError
            ├── JobStoppedError
            └── JobCanceledError

The errors of problems are the server's own classes, so a new problem has its exception here too.
"""

from __future__ import annotations

from typing import Any

from coatcheck.client.wire import Answer
from coatcheck.errors import CoatcheckError, FieldError, ProblemError, problem_classes
from coatcheck.job import Job, JobStatus

PROBLEMS = {cls.type_uri(): cls for cls in problem_classes()}
"""The class of each problem, by the ``type`` of its document."""


class ClientError(CoatcheckError):
    """Root of what a client raises beside the API's problems."""


class ConnectionFailedError(ClientError, ConnectionError):
    """The API can't be reached, or the connection broke off.

    ``sent`` tells whether the request may have arrived.
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class ResponseError(ClientError):
    """An answer that is none of the API's, from a proxy say, or from another version. Has its ``status``."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class WaitTimeoutError(ClientError, TimeoutError):
    """The job had not ended in the time given. It goes on: ask again, or cancel it."""


class TransferError(ClientError):
    """A file did not come through: the store refused it, or sent other bytes than were promised."""


class JobEndedError(ClientError):
    """The job ended without a result. ``job`` is all that is known of it."""

    def __init__(self, job: Job) -> None:
        reason = f": {job.error.type}: {job.error.message}" if job.error else ""
        super().__init__(f"job {job.id} of {job.task} {job.status}{reason}")
        self.job = job
        if job.error and job.error.traceback:
            self.add_note(f"In the worker:\n{job.error.traceback}")


class JobFailedError(JobEndedError):
    """The task raised an error, timed out, or its worker was lost."""


class JobStoppedError(JobEndedError):
    """Somebody stopped the job while it ran."""


class JobCanceledError(JobEndedError):
    """Somebody canceled the job before it ran."""


ENDINGS: dict[JobStatus, type[JobEndedError]] = {
    JobStatus.FAILED: JobFailedError,
    JobStatus.STOPPED: JobStoppedError,
    JobStatus.CANCELED: JobCanceledError,
}


def error_of(answer: Answer) -> ProblemError | ResponseError:
    """What an answer that is no success means, by the ``type`` of its problem document (RFC 9457)."""
    document = answer.problem
    if document is None:
        return ResponseError(f"the API answered {answer.status} without a problem document", answer.status)
    kind = PROBLEMS.get(str(document.get("type")))
    detail = str(document.get("detail") or document.get("title") or "")
    if kind is None:
        named = f"an unknown problem, {document.get('type')}"
        return ResponseError(f"the API answered {answer.status} with {named}: {detail}", answer.status)
    # A class of its own may take other arguments than the problem has; the root's are what a document tells.
    error = kind.__new__(kind, detail)
    ProblemError.__init__(error, detail, errors=_field_errors(document), headers=answer.headers)
    if "instance" in document:
        error.add_note(f"The API's log tells more of {document['instance']}.")
    return error


def _field_errors(document: dict[str, Any]) -> list[FieldError]:
    listed = document.get("errors")
    return [
        FieldError(str(entry.get("pointer", "")), str(entry.get("detail", "")))
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict)
    ]
