"""The parts that operations of an OpenAPI document are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from chalicelib.bodies import FORM
from chalicelib.problems import PROBLEM_JSON
from chalicelib.responses import JSON
from chalicelib.schemas import COUNT, ID, TEXT, Schema, ref
from coatcheck.errors import (
    CrossSiteError,
    ForbiddenError,
    InternalError,
    InvalidRequestError,
    ProblemError,
    UnauthorizedError,
    UnavailableError,
)
from coatcheck.scopes import Scope

__all__ = [
    "FORM",
    "JOB_ID_PARAMETER",
    "JSON",
    "LIMITS",
    "SCHEMES",
    "WAIT_PARAMETERS",
    "content",
    "operation",
    "parameter",
    "secured",
]

HEADERS: dict[str, Schema] = {
    "ETag": {"schema": TEXT, "description": "Send it as If-None-Match, to be told 304 when nothing changed."},
    "WWW-Authenticate": {"schema": TEXT, "description": "How to tell who calls."},
    "Location": {"schema": TEXT, "description": "Where the job is."},
    "Preference-Applied": {"schema": TEXT, "description": "How long the request would have waited at most."},
    "Retry-After": {
        "schema": {"type": "integer"},
        "description": "Seconds until it makes sense to ask again.",
    },
    "RateLimit-Policy": {"schema": TEXT, "description": "The limits of the caller's token."},
    "RateLimit": {"schema": TEXT, "description": "What is left of them."},
}
LIMITS = ("RateLimit-Policy", "RateLimit")
"""The headers about the limits of a caller."""


SCOPE = "x-scope"
"""Where an operation has its scope until ``secured`` knows how callers tell who they are."""
SCHEMES: dict[str, dict[str, Any]] = {
    "tokens": {"type": "http", "scheme": "bearer", "description": "Made by 'coatcheck token create'."},
    "iam": {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "description": "AWS Signature Version 4.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    },
}
"""How a caller tells who they are, by the setting COATCHECK_AUTH."""


def content(schema: Schema, kind: str = JSON) -> dict[str, Any]:
    """The content of a body: its type and its schema."""
    return {"content": {kind: {"schema": schema}}}


def parameter(name: str, schema: Schema, place: str = "query", description: str = "") -> dict[str, Any]:
    """A parameter of the query, the path or the headers."""
    schema = dict(schema)
    text = schema.pop("description", "") or description
    result = {"name": name, "in": place, "required": place == "path", "schema": schema}
    return {**result, "description": text} if text else result


JOB_ID_PARAMETER = parameter("id", ID, "path")
WAIT_PARAMETERS = (
    parameter(
        "wait",
        {
            **COUNT,
            "maximum": 999_999_999,
            "description": "Answer at the job's end, or after so many seconds.",
        },
    ),
    parameter("Prefer", TEXT, "header", "'wait=20' is the same as the parameter wait (RFC 7240)."),
)
IF_NONE_MATCH = parameter("If-None-Match", TEXT, "header", "The ETag of an earlier answer.")


OF_A_JOB = ("get_job", "get_log", "stop_job", "retry_job", "list_deliveries", "deliver_again")
"""The operations that take the id of a job which another one has answered with."""


def operation(
    operation_id: str,
    summary: str,
    scope: Scope | None = Scope.READ,
    *,
    answer: dict[str, Any],
    description: str = "",
    tags: Sequence[str] = ("tasks",),
    status: int = 200,
    headers: Sequence[str] = (),
    cached: bool = False,
    ended: bool = False,
    parameters: Sequence[dict[str, Any]] = (),
    body: dict[str, Any] | None = None,
    problems: Sequence[type[ProblemError]] = (),
    others: Mapping[str, Any] | None = None,
    job_id: str = "",
) -> dict[str, Any]:
    """An operation.

    Takes its scope, the content of the answer and its status; ``cached``: it has an ETag; ``ended``: it
    answers 200 where the job has ended by then, since the client waited or came again with its key; the
    problems beside those that any operation may answer; ``others``: responses that are no problems;
    ``job_id``: where the answer has a job's id, as a JSON Pointer.
    """
    success: dict[str, Any] = {"description": summary + ".", **answer}
    if headers:
        success["headers"] = {name: HEADERS[name] for name in headers}
    if job_id:
        success["links"] = {
            name: {"operationId": name, "parameters": {"id": f"$response.body#{job_id}"}} for name in OF_A_JOB
        }
    responses: dict[str, Any] = {str(status): success}
    if ended:
        responses["200"] = {"description": "It has ended already.", **answer}
        responses["200"]["headers"] = {name: HEADERS[name] for name in headers if name != "Retry-After"}
    if cached:
        responses["304"] = {"description": "Nothing changed since If-None-Match."}
    responses |= problem_responses((InvalidRequestError, *problems, InternalError)) | dict(others or {})
    document: dict[str, Any] = {
        "operationId": operation_id,
        SCOPE: scope,
        "summary": summary,
        "tags": list(tags),
        "parameters": [*parameters, *([IF_NONE_MATCH] if cached else [])],
        "responses": responses,
    }
    if description:
        document["description"] = description
    if body is not None:
        document["requestBody"] = body
    return document


def secured(operation: Mapping[str, Any], method: str, auth: str) -> dict[str, Any]:
    """The operation as it is with that setting of COATCHECK_AUTH."""
    document = dict(operation)
    scope = document.pop(SCOPE)
    if scope is None or (auth == "none" and method == "get"):
        return document
    if auth != "none":
        document["security"] = [{auth: [str(scope)]}]
    refusals = problem_responses((CrossSiteError,) if auth == "none" else (UnauthorizedError, ForbiddenError))
    document["responses"] = dict(sorted((document["responses"] | refusals).items()))
    return document


def problem_responses(kinds: Sequence[type[ProblemError]]) -> dict[str, Any]:
    """A response for each status, which names the problems that it stands for."""
    responses: dict[str, Any] = {}
    for status in sorted({kind.status for kind in kinds}):
        same = [kind for kind in kinds if kind.status == status]
        types: Schema = {"properties": {"type": {"enum": [kind.type_uri() for kind in same]}}}
        response = {
            "description": "; ".join(kind.title for kind in same) + ".",
            **content({"allOf": [ref("Problem"), types]}, PROBLEM_JSON),
        }
        if UnavailableError in same:
            response["headers"] = {"Retry-After": HEADERS["Retry-After"]}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            response["headers"] = {name: HEADERS[name] for name in ("Retry-After", *LIMITS)}
        if UnauthorizedError in same:
            response["headers"] = {"WWW-Authenticate": HEADERS["WWW-Authenticate"]}
        responses[str(status)] = response
    return responses
