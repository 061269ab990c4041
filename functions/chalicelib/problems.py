"""The one place where errors become HTTP: ``application/problem+json`` of RFC 9457."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from chalice.app import ChaliceUnhandledError
from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib.responses import GUARDED, PRIVATE, Answer, json_answer, to_chalice
from coatcheck.errors import (
    MAX_ERRORS,
    CatalogError,
    InternalError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    ProblemError,
    SettingsError,
    UnsupportedMediaTypeError,
)

PROBLEM_JSON = "application/problem+json"
UNEXPECTED = "An unexpected error occurred; the API's log tells more."

log = logging.getLogger("coatcheck.functions")

CHALICE_ERRORS: dict[int, type[ProblemError]] = {
    HTTPStatus.BAD_REQUEST: InvalidRequestError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: UnsupportedMediaTypeError,
}
"""What Chalice answers by itself, before or after a view."""


class HandlerError(ChaliceUnhandledError):
    """Carries an error (its cause) out of a view: the only kind that Chalice leaves to middleware."""


def middleware(
    request: ChaliceRequest, get_response: Callable[[ChaliceRequest], ChaliceResponse]
) -> ChaliceResponse:
    """Chalice middleware: every error, ours or Chalice's own, leaves as a problem."""
    try:
        response = get_response(request)
    except Exception as error:
        cause = error.__cause__ if isinstance(error, HandlerError) else error
        return to_chalice(answer_to(cause or error, request_uri(request)))
    if response.status_code >= HTTPStatus.BAD_REQUEST and not isinstance(response.body, str):
        return to_chalice(_instead_of(response, request))
    return response


def answer_to(error: BaseException, instance: str | None = None) -> Answer:
    """The answer to an error. What is not a client's fault is logged too.

    Takes the URI of this occurrence, which an unexpected error's answer and log line both hold.
    """
    if isinstance(error, SettingsError | CatalogError):
        log.error("The API is not set up: %s", error)
        return problem(InternalError(f"The API is not set up: {error}"), instance)
    if not isinstance(error, ProblemError):
        log.error("Unexpected error (%s)", instance or "no request id", exc_info=error)
        return problem(InternalError(UNEXPECTED), instance)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s (%s)", error, error.__cause__)
    return problem(error)


def problem(error: ProblemError, instance: str | None = None) -> Answer:
    """A problem document."""
    document: dict[str, Any] = {
        "type": error.type_uri(),
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
    }
    if instance is not None:
        document["instance"] = instance
    if error.errors:
        shown = error.errors[:MAX_ERRORS]
        document["errors"] = [{"pointer": item.pointer, "detail": item.detail} for item in shown]
        if len(error.errors) > MAX_ERRORS:
            document["detail"] += f" The first {MAX_ERRORS} errors are listed."
    return json_answer(document, error.status, GUARDED | PRIVATE | error.headers, PROBLEM_JSON)


def not_found(path: str) -> Answer:
    """The answer to a path that no route has, for servers that look up routes themselves."""
    return problem(NotFoundError(f"There is nothing at {path}. GET /openapi.json lists all paths."))


def method_not_allowed(path: str, allowed: list[str]) -> Answer:
    """The answer to a method that a path does not take."""
    methods = ", ".join(sorted({*allowed} - {"OPTIONS"}))
    return problem(MethodNotAllowedError(f"{path} takes {methods}.", headers={"Allow": methods}))


def request_uri(request: ChaliceRequest) -> str | None:
    """The URI of one request: Lambda's id of it, which its log lines have too."""
    identifier = getattr(request.lambda_context, "aws_request_id", None)
    return f"urn:uuid:{identifier}" if identifier else None


def _instead_of(response: ChaliceResponse, request: ChaliceRequest) -> Answer:
    """The problem for an error that Chalice answered: its body is ``{"Code": ..., "Message": ...}``."""
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        path = str(request.context.get("path") or request.path)
        return method_not_allowed(path, str(response.headers.get("Allow", "")).split(", "))
    message = response.body.get("Message") if isinstance(response.body, dict) else None
    kind = CHALICE_ERRORS.get(response.status_code)
    if kind is None:
        return problem(InternalError(UNEXPECTED), request_uri(request))
    return problem(kind(str(message or "The request could not be read.")))
