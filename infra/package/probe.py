"""Imports the app of an unpacked package and sends it requests. Run by ``selfcheck``, as a file.

Arguments: the folder, and the names of the handlers. There is no Redis, and the answers must say so.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

Event = dict[str, Any]
WORKS = "works"
"""What is printed in the end: a status of 0 alone might be the app's own."""


def event(method: str, path: str, body: str | None = None, **parameters: str) -> Event:
    """A request as API Gateway hands it to a function. Takes the route, with its parameters in braces."""
    shown = path.format_map(parameters)
    return {
        "httpMethod": method,
        "path": shown,
        "headers": {"content-type": "application/json", "host": "localhost"},
        "multiValueHeaders": {"content-type": ["application/json"], "host": ["localhost"]},
        "multiValueQueryStringParameters": None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "body": body,
        "isBase64Encoded": False,
        "requestContext": {"httpMethod": method, "resourcePath": path, "path": f"/api{shown}"},
    }


def check(app: Any, sent: Event, statuses: tuple[int, ...], kind: str) -> Any:
    """Send a request. Returns the answer's body; raises RuntimeError if the answer is not as it should be."""
    answer = app(sent, None)
    got = answer["multiValueHeaders"].get("Content-Type") or [answer["headers"].get("Content-Type")]
    if answer["statusCode"] not in statuses or not str(got[0]).startswith(kind):
        request = f"{sent['httpMethod']} {sent['path']}"
        raise RuntimeError(f"{request} answered {answer['statusCode']} ({got[0]}): {answer['body']}")
    return json.loads(answer["body"]) if kind.endswith("json") else answer["body"]


def main(folder: str, *handlers: str) -> None:
    """Try the app of a folder. Raises whatever is wrong with it."""
    sys.path.insert(0, folder)
    for handler in handlers:
        module, _, name = handler.rpartition(".")
        getattr(importlib.import_module(module), name)
    app = importlib.import_module("app").app
    check(app, event("GET", "/"), (200,), "text/html")
    tasks = check(app, event("GET", "/tasks"), (200,), "application/json")["tasks"]
    check(app, event("GET", "/openapi.json"), (200,), "application/json")
    check(app, event("GET", "/queues"), (503,), "application/problem+json")
    for task in tasks:
        # Refused without arguments, or fit for a queue that is away.
        post = event("POST", "/tasks/{name}", "{}", name=task["name"])
        check(app, post, (422, 503), "application/problem+json")


if __name__ == "__main__":
    main(*sys.argv[1:])
    print(WORKS)
