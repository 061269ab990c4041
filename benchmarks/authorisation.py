"""What it costs to know who calls: a status request with a token, one of 10,000, beside one that asks nobody.

``python -m benchmarks.authorisation``.

Both are calls of the functions' app with API Gateway's event, in this process, one after the other, for the
same job in a real Redis. The tokens are in a file, as on a laptop; on AWS API Gateway asks a function of its
own, which keeps the book for 20 s, and API Gateway the answer for 30 s.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from chalice.local import LambdaContext

from benchmarks.harness import Options, Report, main, rounds
from benchmarks.processes import ROOT
from benchmarks.requests import event, median_microseconds
from benchmarks.servers import Server
from benchmarks.systems import our_settings
from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog
from coatcheck.connection import connect
from coatcheck.scopes import Scope
from coatcheck.settings import Settings
from coatcheck.token_store import FileStore
from coatcheck.tokens import TokenBook
from worker_image.discovery import catalog_of, discover

sys.path.insert(0, str(ROOT / "functions"))
from app import app
from chalicelib import context as contexts

TOKENS = 10_000
CALLS = 500
GOAL = 1.1
WITH, WITHOUT = "status: one of 10,000 tokens", "status: nobody is asked"


def book_of(count: int) -> tuple[TokenBook, str]:
    """A book with so many tokens, and the last of them."""
    book, token = TokenBook(), ""
    tokens: dict[str, Any] = {}
    for number in range(count):
        made, token = book.create(f"caller-{number}", now=time.time(), scopes=[Scope.SUBMIT, Scope.READ])
        tokens |= made.tokens
    return TokenBook(tokens), token


def requests(settings: Settings, client: Any, place: Path, token: str) -> dict[str, Callable[[], Any]]:
    """The two calls, for a job that the token's holder has submitted."""
    catalog = Catalog(catalog_of(discover("benchmarks.tasks")).tasks)
    adapter = QueueAdapter(client, settings)
    asked = contexts.Context(replace(settings, auth="tokens", tokens=str(place)), catalog, adapter)
    open_to_all = contexts.Context(settings, catalog, adapter)
    lambda_context = LambdaContext("coatcheck", 512)
    header = {"authorization": f"Bearer {token}"}

    def call(context: contexts.Context, request: dict[str, Any], status: int) -> dict[str, Any]:
        contexts.use(context)
        answer: dict[str, Any] = app(request, lambda_context)
        assert answer["statusCode"] == status, answer
        return answer

    submit = event("POST", "/tasks/{name}", "/tasks/bench.noop", {"name": "bench.noop"}, {})
    submit["headers"] |= header
    job_id = json.loads(call(asked, submit, 202)["body"])["id"]
    plain = event("GET", "/jobs/{id}", f"/jobs/{job_id}", {"id": job_id})
    bearer = {**plain, "headers": plain["headers"] | header}
    return {WITHOUT: lambda: call(open_to_all, plain, 200), WITH: lambda: call(asked, bearer, 200)}


def measure(options: Options) -> Report:
    """All rounds."""
    report = Report("authorisation")
    calls = 20 if options.quick else CALLS
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        place = Path(folder) / "tokens.json"
        book, token = book_of(100 if options.quick else TOKENS)
        FileStore(place).change(lambda _: book)
        settings = our_settings(server.url(0))
        with connect(settings) as client:
            both = requests(settings, client, place, token)
            median_microseconds(both, 20)  # so that the tokens are read, and the connection is there
            for _ in rounds(options):
                for name, microseconds in median_microseconds(both, calls).items():
                    report.figure(name, "µs").values.append(microseconds)
    contexts.use(None)
    report.ratio("a status request with 10,000 tokens / without", WITH, WITHOUT, GOAL, at_least=False)
    return report


if __name__ == "__main__":
    sys.exit(main(measure, __doc__))
