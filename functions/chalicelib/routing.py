"""From Chalice's world into ours: binds typed handlers to an app's routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chalice.app import Chalice
from chalice.app import Response as ChaliceResponse

from chalicelib.context import gateway_path
from chalicelib.problems import HandlerError
from chalicelib.requests import Request, from_chalice
from chalicelib.responses import Answer, to_chalice

Handler = Callable[[Request], Answer]
ANY_TYPE = ["*/*"]
"""Chalice checks a request's content type even where there is no body: ``bodies`` does it better."""


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path, what handles it, and which query parameters it knows (None: any)."""

    method: str
    path: str
    handler: Handler
    query: frozenset[str] | None = frozenset()


def bind(app: Chalice, routes: Iterable[Route]) -> None:
    """Register the routes with an app."""
    for route in routes:
        name = f"{route.method.lower()} {route.path}"
        app.route(route.path, name=name, methods=[route.method], content_types=ANY_TYPE)(_view(app, route))


def _view(app: Chalice, route: Route) -> Callable[..., ChaliceResponse]:
    def view(**_parameters: str) -> ChaliceResponse:
        assert app.current_request is not None
        try:
            request = from_chalice(app.current_request, gateway_path())
            if route.query is not None:
                request.check_query(route.query)
            return to_chalice(route.handler(request))
        except Exception as error:
            raise HandlerError from error

    return view
