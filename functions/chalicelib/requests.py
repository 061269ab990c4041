"""A request as our handlers see it: typed, and free of Chalice's and API Gateway's shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, unquote

from chalice.app import Request as ChaliceRequest

from chalicelib import lambda_runtime
from chalicelib.callers import ANYBODY, Caller
from coatcheck.errors import FieldError, InvalidRequestError
from coatcheck.scopes import Scope

UNRESERVED = re.compile(r"[\w.~-]*", re.ASCII)
"""What stays as it is in a URI (RFC 3986, section 2.3): seen sooner than encoded."""


def quoted(segment: str) -> str:
    """A segment of a path, percent-encoded."""
    return segment if UNRESERVED.fullmatch(segment) else quote(segment, safe="")


@dataclass(slots=True)
class Request:
    """One HTTP request. Nobody changes one; not frozen, as ``Job``.

    ``path`` is what the client asked for, ``prefix`` the part of it that the app lives below: the stage
    of API Gateway (``/api``) or nothing. ``headers`` have lower-case names. ``seconds_left`` tells how long
    the answer may still take. ``caller`` is who calls.
    """

    method: str
    path: str
    prefix: str
    parameters: Mapping[str, str]
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    body: bytes
    seconds_left: Callable[[], float] = lambda: math.inf
    caller: Caller = ANYBODY

    def link(self, *segments: str) -> str:
        """The absolute path of a resource, with the prefix: what ``Location`` and ``links`` hold."""
        return "/".join([self.prefix, *map(quoted, segments)])

    def allowed(self, link: str, scope: Scope) -> str | None:
        """A link to what needs a scope; None: the caller doesn't have it."""
        return link if self.caller.has(scope) else None

    def option(self, name: str) -> str | None:
        """A query parameter, None if it is not given."""
        values = self.query.get(name)
        return values[-1] if values else None

    def check_query(self, known: frozenset[str], repeated: frozenset[str] = frozenset()) -> None:
        """Refuse what a route does not know, and what is given twice where only ``repeated`` may be.

        Raises InvalidRequestError: names every wrong parameter.
        """
        if not self.query:
            return
        unknown = [FieldError(f"?{name}", "is not known") for name in self.query if name not in known]
        twice = [
            FieldError(f"?{name}", "is given twice")
            for name, values in self.query.items()
            if len(values) > 1 and name not in repeated
        ]
        if unknown or twice:
            names = ", ".join(sorted(known)) or "none"
            raise InvalidRequestError(
                f"The query of this path is not valid. Parameters that it takes: {names}.",
                errors=unknown + twice,
            )


def headers_of(request: ChaliceRequest) -> dict[str, str]:
    """The headers of a request, with lower-case names."""
    return {name.lower(): str(value) for name, value in request.headers.items()}


def from_chalice(
    request: ChaliceRequest,
    gateway_path: str = "",
    headers: Mapping[str, str] | None = None,
    caller: Caller = ANYBODY,
) -> Request:
    """The request of a Chalice view, from a caller.

    Takes the request's headers if they are known already. ``gateway_path`` is where a gateway has its APIs
    that tells them apart by path: then the API's id and its stage follow. Not so where the client used a
    host name of the API's own.
    """
    query = request.query_params
    body = request.raw_body
    path = str(request.context.get("path") or request.path)
    prefix = prefix_of(path, request.path)
    if headers is None:
        headers = headers_of(request)
    if gateway_path and ".execute-api." not in headers.get("host", ""):
        prefix = f"{gateway_path}/{request.context.get('apiId', '')}{prefix}"
    return Request(
        method=request.method,
        path=path,
        prefix=prefix,
        parameters={name: unquote(value) for name, value in (request.uri_params or {}).items()},
        query={} if query is None else {name: query.getlist(name) for name in query},
        headers=headers,
        body=body if isinstance(body, bytes) else body.encode(),
        seconds_left=partial(lambda_runtime.seconds_left, request),
        caller=caller,
    )


def prefix_of(path: str, template: str) -> str:
    """The part of a path before the route's own segments: ``/api`` of ``/api/jobs/1`` for ``/jobs/{id}``.

    Counts segments, since neither Chalice's local server nor a custom domain tells the path below the
    stage.
    """
    segments = [*filter(None, path.split("/"))]
    own = [*filter(None, template.split("/"))]
    return "/".join(["", *segments[: len(segments) - len(own)]])
