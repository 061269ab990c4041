"""Calls the app as API Gateway does: with an event."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chalice.app import Chalice
from chalice.local import LambdaContext, RouteMatcher

from app import app

FUNCTIONS = Path(__file__).parents[2] / "functions"
FORM = "application/x-www-form-urlencoded"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Reply:
    """What came back; header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def errors(self) -> dict[str, str]:
        """The errors of a problem, by pointer."""
        return {error["pointer"]: error["detail"] for error in self.json.get("errors", [])}

    def is_problem(self, status: int, slug: str) -> bool:
        """Whether it is that problem, consistent in itself."""
        document = self.json
        assert self.headers["content-type"] == PROBLEM, self
        assert self.status == document["status"], self
        assert document["title"] and document["detail"], self
        return self.status == status and bool(document["type"] == f"urn:coatcheck:problem:{slug}")


class Api:
    """Builds the event of a request and reads the answer."""

    def __init__(self, stage: str = "", application: Chalice = app) -> None:
        self._prefix = f"/{stage}" if stage else ""
        self._app = application
        self._routes = RouteMatcher(list(application.routes))
        self.authorizer: dict[str, str] | None = None
        self.identity: dict[str, str] = {}
        self.received: int | None = None
        """When API Gateway received the request, in milliseconds since 1970."""
        self.seconds = 28
        """How long Lambda lets the function run."""

    def request(
        self, method: str, url: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """The answer to a request for a path below the stage."""
        route = self._routes.match_route(url or "/")
        parts = urlsplit(url)
        raw = body.encode() if isinstance(body, str) else body
        event = {
            "resource": route.route,
            "path": parts.path,
            "httpMethod": method,
            "headers": headers,
            "pathParameters": route.captured or None,
            "multiValueQueryStringParameters": parse_qs(parts.query, keep_blank_values=True) or None,
            "stageVariables": None,
            "requestContext": {
                "httpMethod": method,
                "resourcePath": route.route,
                "apiId": "abc123",
                "path": self._prefix + parts.path,
                "authorizer": self.authorizer,
                "identity": self.identity,
                "requestTimeEpoch": self.received,
            },
            "body": None if raw is None else base64.b64encode(raw).decode(),
            "isBase64Encoded": raw is not None,
        }
        answer = self._app(event, LambdaContext("coatcheck", 512, self.seconds * 1000))
        single = {name.lower(): value for name, value in answer["headers"].items()}
        assert answer["multiValueHeaders"] == {}
        return Reply(answer["statusCode"], single, answer["body"])

    def get(self, url: str, **headers: str) -> Reply:
        """GET; keyword arguments are headers, with _ for -."""
        return self.request("GET", url, headers=_names(headers))

    def delete(self, url: str) -> Reply:
        """DELETE."""
        return self.request("DELETE", url)

    def post(self, url: str, document: Any = None, **headers: str) -> Reply:
        """POST of JSON; keyword arguments are headers, with _ for -."""
        body = None if document is None else json.dumps(document)
        return self.request("POST", url, body, {"content-type": "application/json", **_names(headers)})

    def send(self, url: str, body: bytes | str, content_type: str = "application/json") -> Reply:
        """POST of a body as it is."""
        return self.request("POST", url, body, {"content-type": content_type})


def _names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
