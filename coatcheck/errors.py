"""Everything that Coatcheck raises on purpose, one tree.

    CoatcheckError
    ├── SettingsError             a setting is missing or invalid
    │   └── SecretError               the secret that a setting names can't be read or used
    ├── CatalogError              a task or catalog.json is invalid
    ├── TokenError                a token can't be made, kept or read
    ├── FileError                 a task's file can't be fetched or stored
    └── ProblemError              has an HTTP status; the API turns it into RFC 9457
        ├── InvalidRequestError       400
        ├── InvalidJSONError          400
        ├── UnauthorizedError         401
        ├── ForbiddenError            403
        ├── CrossSiteError            403
        ├── InvalidLinkError          403
        ├── UnknownTaskError          404
        ├── UnknownJobError           404
        ├── UnknownScheduleError      404
        ├── UnknownBatchError         404
        ├── UnknownFileError          404
        ├── FilesOffError             404
        ├── NotFoundError             404
        ├── MethodNotAllowedError     405
        ├── ConflictError             409
        ├── FileInUseError            409
        ├── UploadIncompleteError     409
        ├── ExpiredLinkError          410
        ├── PayloadTooLargeError      413
        ├── UnsupportedMediaTypeError 415
        ├── RangeNotSatisfiableError  416
        ├── InvalidArgumentsError     422
        │   └── UnknownDependencyError
        ├── IdempotencyMismatchError  422
        ├── InvalidUploadError        422
        ├── FileMismatchError         422
        │   └── PartMismatchError
        ├── RateLimitedError          429
        ├── TooManyWaitingError       429
        ├── TooMuchUploadedError      429
        ├── InternalError             500
        ├── QueueFullError            503
        ├── FilesUnavailableError     503
        └── UnavailableError          503

A ``ProblemError`` carries all that an answer needs, so that HTTP is made of it in one place
(``functions/chalicelib/problems.py``). Each ``slug`` is documented in ``docs/problems.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

MAX_ERRORS = 100
"""Most wrong fields that are looked for and told: who has more should not have an API work for seconds."""

SHOWN = 5
"""So many of them are in an error's text."""


class CoatcheckError(Exception):
    """Root of every error that Coatcheck raises on purpose."""


class SettingsError(CoatcheckError):
    """A setting is missing or invalid; the message names it, its value and what would be right."""


class SecretError(SettingsError):
    """The secret that a setting names can't be read or used; the message says why, never what it is."""


class CatalogError(CoatcheckError):
    """A task can't be offered, or ``catalog.json`` can't be read; the message says where and why."""


class TokenError(CoatcheckError):
    """A token can't be made, or the tokens can't be read or written; the message says why."""


class FileError(CoatcheckError):
    """A file of a task can't be fetched or stored, or is not what was uploaded; the message says why."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with a request.

    ``pointer`` is a JSON Pointer (RFC 6901) into the request's body, or, for what does not come
    from the body, the name of the query parameter or header (``?delay``, ``Idempotency-Key``).
    """

    pointer: str
    detail: str


class ProblemError(CoatcheckError):
    """An error with an HTTP answer: ``application/problem+json`` of RFC 9457."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Something went wrong"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        """The detail, and what is wrong with the first fields: a traceback shows nothing else."""
        told = [f"{error.pointer} {error.detail}" for error in self.errors[:SHOWN]]
        if len(self.errors) > SHOWN:
            told.append(f"and {len(self.errors) - SHOWN} more")
        return " ".join(filter(None, [self.detail, "; ".join(told)]))

    @classmethod
    def type_uri(cls) -> str:
        """The problem's ``type``: a URN, since an API has no address of its own before it is deployed."""
        return f"urn:coatcheck:problem:{cls.slug}"


class InvalidRequestError(ProblemError):
    """A query parameter, header or option is malformed."""

    status = 400
    slug = "invalid-request"
    title = "A parameter of the request is invalid"


class InvalidJSONError(ProblemError):
    """The body is not JSON, or not a JSON object."""

    status = 400
    slug = "invalid-json"
    title = "The body is not valid JSON"


class UnauthorizedError(ProblemError):
    """Nobody knows who calls: no token, or one that is malformed, unknown, revoked or expired."""

    status = 401
    slug = "unauthorized"
    title = "It is not known who calls"

    def __init__(self, detail: str, challenge: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class ForbiddenError(ProblemError):
    """The caller is known, but not allowed to do this."""

    status = 403
    slug = "forbidden"
    title = "The caller may not do this"


class CrossSiteError(ProblemError):
    """A browser sent it for a page of another site, or under a name that is none of this machine's."""

    status = 403
    slug = "cross-site"
    title = "A page of another site may not do this"


class InvalidLinkError(ProblemError):
    """A link to a file was changed, or is for something else."""

    status = 403
    slug = "invalid-link"
    title = "The link is not one that was given"


class UnknownTaskError(ProblemError):
    """The catalogue has no task of that name."""

    status = 404
    slug = "unknown-task"
    title = "There is no such task"


class UnknownJobError(ProblemError):
    """No job has that id: never submitted, or its time to live is over."""

    status = 404
    slug = "unknown-job"
    title = "There is no such job"


class UnknownScheduleError(ProblemError):
    """The task is there, but does not run by itself."""

    status = 404
    slug = "unknown-schedule"
    title = "The task has no schedule"


class UnknownBatchError(ProblemError):
    """No batch has that id: never submitted, or its time to live is over."""

    status = 404
    slug = "unknown-batch"
    title = "There is no such batch"

    @classmethod
    def of(cls, batch_id: str) -> UnknownBatchError:
        """What to raise where nothing is kept of a batch, or it is another owner's."""
        return cls(f"There is no batch {batch_id}: it never was, or was kept as long as promised.")


class UnknownFileError(ProblemError):
    """No file has that id: never uploaded, deleted, or its time to live is over."""

    status = 404
    slug = "unknown-file"
    title = "There is no such file"


class FilesOffError(ProblemError):
    """``COATCHECK_FILES`` names no place for files."""

    status = 404
    slug = "files-off"
    title = "This API takes no files"


class NotFoundError(ProblemError):
    """No route has that path."""

    status = 404
    slug = "not-found"
    title = "There is nothing at this path"


class MethodNotAllowedError(ProblemError):
    """The path exists, but not for that method."""

    status = 405
    slug = "method-not-allowed"
    title = "The path does not take this method"


class ConflictError(ProblemError):
    """The job is not in a state that allows the operation."""

    status = 409
    slug = "conflict"
    title = "The job's status does not allow this"


class FileInUseError(ProblemError):
    """A job was submitted with the file: it ends with the job."""

    status = 409
    slug = "file-in-use"
    title = "A job uses the file"


class UploadIncompleteError(ProblemError):
    """Parts of an upload have not arrived yet; ``errors`` names them."""

    status = 409
    slug = "upload-incomplete"
    title = "Parts of the upload are missing"


class ExpiredLinkError(ProblemError):
    """A link to a file is too old: ask the API for a new one."""

    status = 410
    slug = "expired-link"
    title = "The link's time is over"


class PayloadTooLargeError(ProblemError):
    """The body is larger than ``COATCHECK_MAX_BODY`` bytes."""

    status = 413
    slug = "payload-too-large"
    title = "The body is too large"


class UnsupportedMediaTypeError(ProblemError):
    """The body's content type is neither JSON nor (where allowed) a form."""

    status = 415
    slug = "unsupported-media-type"
    title = "The body's content type is not supported"


class RangeNotSatisfiableError(ProblemError):
    """A file has none of the bytes that were asked for."""

    status = 416
    slug = "range-not-satisfiable"
    title = "The file has no such bytes"


class InvalidArgumentsError(ProblemError):
    """The arguments do not fit the task's JSON Schema; ``errors`` names each wrong field."""

    status = 422
    slug = "invalid-arguments"
    title = "The arguments do not fit the task"


class UnknownDependencyError(InvalidArgumentsError):
    """A job is to come after one that is not there, or is none of the caller's.

    ``job`` is the number of the submission, ``entry`` that in its ``after``, ``id`` what stands there.
    """

    def __init__(self, job: int, entry: int, job_id: str) -> None:
        self.job, self.entry, self.id = job, entry, job_id
        pointer = f"/jobs/{job}/after/{entry}"
        super().__init__(
            f"There is no job {job_id}; nothing was submitted.",
            errors=[FieldError(pointer, "is no job that is kept")],
        )


class IdempotencyMismatchError(ProblemError):
    """An idempotency key was used again for another request."""

    status = 422
    slug = "idempotency-mismatch"
    title = "The idempotency key belongs to another request"


class InvalidUploadError(ProblemError):
    """What is said of a file that is to be uploaded makes no sense, or is too large."""

    status = 422
    slug = "invalid-upload"
    title = "Such a file can't be uploaded"


class FileMismatchError(ProblemError):
    """What has arrived is not what was announced: its size, type or checksum is another."""

    status = 422
    slug = "file-mismatch"
    title = "The file is not the one that was announced"


class PartMismatchError(FileMismatchError):
    """Parts of an upload have other checksums than the client says. Takes what is wrong, by their numbers."""

    def __init__(self, detail: str, faults: Mapping[int, str]) -> None:
        self.numbers = tuple(faults)
        super().__init__(
            detail, errors=[FieldError(f"/parts/{number}", fault) for number, fault in faults.items()]
        )


class RateLimitedError(ProblemError):
    """The caller submits more jobs in a minute than ``COATCHECK_JOBS_PER_MINUTE``."""

    status = 429
    slug = "rate-limited"
    title = "Too many jobs in a short time"


class TooManyWaitingError(ProblemError):
    """More jobs of the caller would wait than ``COATCHECK_MAX_WAITING``."""

    status = 429
    slug = "too-many-waiting"
    title = "Too many jobs of the caller wait"


class TooMuchUploadedError(ProblemError):
    """The caller begins uploads of more bytes in a day than ``COATCHECK_UPLOAD_BYTES_PER_DAY``."""

    status = 429
    slug = "too-much-uploaded"
    title = "Too many bytes are uploaded in a short time"


class InternalError(ProblemError):
    """A defect of ours; the log has the traceback."""


class QueueFullError(ProblemError):
    """More jobs would wait on a queue than ``COATCHECK_MAX_QUEUED``."""

    status = 503
    slug = "queue-full"
    title = "The queue is full"


class FilesUnavailableError(ProblemError):
    """The place that keeps the files can't be reached, or is full."""

    status = 503
    slug = "files-unavailable"
    title = "Files can't be kept or read now"

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class UnavailableError(ProblemError):
    """Redis can't be reached or can't take writes; try again after ``Retry-After``."""

    status = 503
    slug = "unavailable"
    title = "The queue can't be reached"

    def __init__(self, detail: str, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


def problem_classes() -> tuple[type[ProblemError], ...]:
    """Every problem that the API can answer, for the documentation and its test."""
    return tuple(sorted(ProblemError.__subclasses__(), key=lambda cls: (cls.status, cls.slug)))
