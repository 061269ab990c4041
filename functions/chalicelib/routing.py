"""From Chalice's world into ours: binds typed handlers to an app's routes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chalice.app import Authorizer, Chalice
from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib.callers import caller_of
from chalicelib.context import current, gateway_path
from chalicelib.problems import HandlerError
from chalicelib.requests import Request, from_chalice, headers_of
from chalicelib.responses import Answer, to_chalice
from chalicelib.sites import check_site, preflight
from coatcheck.scopes import Scope

Handler = Callable[[Request], Answer]
PUBLIC = None
"""The scope of a route that answers everybody."""
ANY_TYPE = ["*/*"]
"""Chalice checks a request's content type even where there is no body: ``bodies`` does it better."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, and what handles it.

    ``scope`` is what the caller's token must have, PUBLIC where none is asked for; ``query`` which parameters
    it knows, None: any; ``repeated`` which of them may be given more than once.
    """

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    query: frozenset[str] | None = frozenset()
    repeated: frozenset[str] = frozenset()


def bind(app: Chalice, routes: Sequence[Route], authorizer: Authorizer) -> None:
    """Register the routes with an app, and OPTIONS for each path.

    Takes whom API Gateway asks before it lets a request pass.
    """
    methods: dict[str, list[str]] = {}
    for route in routes:
        methods.setdefault(route.path, []).append(route.method)
    questions = [Route("OPTIONS", path, preflight(taken), PUBLIC, None) for path, taken in methods.items()]
    for route in (*routes, *questions):
        options: dict[str, Any] = {} if route.scope is PUBLIC else {"authorizer": authorizer}
        name = f"{route.method.lower()} {route.path}"
        app.route(route.path, name=name, methods=[route.method], content_types=ANY_TYPE, **options)(
            _view(app, route)
        )


def _view(app: Chalice, route: Route) -> Callable[..., ChaliceResponse]:
    def view(**_parameters: str) -> ChaliceResponse:
        assert app.current_request is not None
        try:
            request = _request(app.current_request, route)
            if route.query is not None:
                request.check_query(route.query, route.repeated)
            return to_chalice(route.handler(request))
        except Exception as error:
            raise HandlerError from error

    return view


def _request(received: ChaliceRequest, route: Route) -> Request:
    """The request, from a caller who may send it.

    Raises UnauthorizedError, ForbiddenError, CrossSiteError.
    """
    if route.scope is PUBLIC:
        return from_chalice(received, gateway_path())
    settings, headers = current().settings, headers_of(received)
    check_site(route.method, headers, settings)
    caller = caller_of(settings, received.context, headers)
    caller.check_scope(route.scope)
    return from_chalice(received, settings.gateway_path, headers, caller)
