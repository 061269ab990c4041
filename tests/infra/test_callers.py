"""Every route of the running product times every kind of caller: who is let in, and who is not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from app import app
from coatcheck.scopes import Scope
from coatcheck.token_store import FileStore
from coatcheck.tokens import TokenBook
from tests.infra.product import Product, Start

CALLERS = (
    "nobody",
    "malformed",
    "expired",
    "revoked",
    "wrong-scope",
    "wrong-task",
    "other-owner",
    "owner",
    "admin",
)
OWNER = "the-owner"
"""Whose the jobs are that a route is asked for."""
TASK = "examples.short_task"
FORM = "application/x-www-form-urlencoded"
PUBLIC = (200,) * len(CALLERS)
IN_VAIN = (401, 401, 401, 401)


@dataclass(frozen=True)
class Row:
    """What to send to a route, and the status that each caller gets, in the order of CALLERS.

    ``scope`` is the one that the route needs; the caller with the wrong scope has all others but admin.
    Another owner's job is a 404, as is one that never was.
    """

    path: str
    scope: Scope | None
    expected: tuple[int, ...]
    body: Any = None


ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/"): Row("/", None, PUBLIC),
    ("GET", "/static/{name}"): Row("/static/app.js", None, PUBLIC),
    ("GET", "/static/{version}/{name}"): Row("/static/000000000000/app.js", None, PUBLIC),
    ("GET", "/health"): Row("/health", None, PUBLIC),
    ("GET", "/tasks"): Row("/tasks", Scope.READ, (*IN_VAIN, 403, 200, 200, 200, 200)),
    ("GET", "/tasks/{name}"): Row(f"/tasks/{TASK}", Scope.READ, (*IN_VAIN, 403, 403, 200, 200, 200)),
    ("POST", "/tasks/{name}"): Row(
        f"/tasks/{TASK}?delay=1h", Scope.SUBMIT, (*IN_VAIN, 403, 403, 202, 202, 202), {}
    ),
    ("POST", "/jobs"): Row(
        "/jobs",
        Scope.SUBMIT,
        (*IN_VAIN, 403, 403, 202, 202, 202),
        {"jobs": [{"task": TASK, "delay": "1h"}]},
    ),
    ("GET", "/jobs"): Row("/jobs", Scope.READ, (*IN_VAIN, 403, 200, 200, 200, 200)),
    ("GET", "/jobs/{id}"): Row("/jobs/{id}", Scope.READ, (*IN_VAIN, 403, 403, 404, 200, 200)),
    ("DELETE", "/jobs/{id}"): Row("/jobs/{id}", Scope.SUBMIT, (*IN_VAIN, 403, 403, 404, 202, 202)),
    ("POST", "/jobs/{id}/retry"): Row(
        "/jobs/{canceled}/retry", Scope.SUBMIT, (*IN_VAIN, 403, 403, 404, 202, 202), {}
    ),
    ("GET", "/jobs/{id}/log"): Row("/jobs/{id}/log", Scope.READ, (*IN_VAIN, 403, 403, 404, 200, 200)),
    ("GET", "/jobs/{id}/deliveries"): Row(
        "/jobs/{id}/deliveries", Scope.READ, (*IN_VAIN, 403, 403, 404, 200, 200)
    ),
    # The job has no callback, which whoever it belongs to is told.
    ("POST", "/jobs/{id}/deliveries"): Row(
        "/jobs/{id}/deliveries", Scope.SUBMIT, (*IN_VAIN, 403, 403, 404, 409, 409), {}
    ),
    ("GET", "/batches/{id}"): Row("/batches/{batch}", Scope.READ, (*IN_VAIN, 403, 403, 404, 200, 200)),
    ("DELETE", "/batches/{id}"): Row("/batches/{batch}", Scope.SUBMIT, (*IN_VAIN, 403, 403, 404, 202, 202)),
    ("POST", "/uploads"): Row(
        "/uploads", Scope.SUBMIT, (*IN_VAIN, 403, 201, 201, 201, 201), {"name": "a.csv", "size": 1}
    ),
    # A file belongs to its owner, whatever tasks the owner's token is for.
    ("GET", "/uploads/{id}"): Row("/uploads/{file}", Scope.SUBMIT, (*IN_VAIN, 403, 200, 404, 200, 200)),
    ("DELETE", "/uploads/{id}"): Row("/uploads/{file}", Scope.SUBMIT, (*IN_VAIN, 403, 204, 404, 204, 204)),
    # Its only part is missing, which whoever it belongs to is told.
    ("POST", "/uploads/{id}/complete"): Row(
        "/uploads/{file}/complete", Scope.SUBMIT, (*IN_VAIN, 403, 409, 404, 409, 409), {}
    ),
    ("GET", "/queues"): Row("/queues", Scope.READ, (*IN_VAIN, 403, 200, 200, 200, 200)),
    ("GET", "/schedules"): Row("/schedules", Scope.READ, (*IN_VAIN, 403, 200, 200, 200, 200)),
    # The task has no schedule, which whoever may ask is told.
    ("GET", "/schedules/{name}"): Row(f"/schedules/{TASK}", Scope.READ, (*IN_VAIN, 403, 403, 404, 404, 404)),
    ("POST", "/schedules/{name}/pause"): Row(
        f"/schedules/{TASK}/pause", Scope.ADMIN, (*IN_VAIN, 403, 403, 403, 404, 404), {}
    ),
    ("POST", "/schedules/{name}/resume"): Row(
        f"/schedules/{TASK}/resume", Scope.ADMIN, (*IN_VAIN, 403, 403, 403, 404, 404), {}
    ),
    ("POST", "/schedules/{name}/run"): Row(
        f"/schedules/{TASK}/run", Scope.SUBMIT, (*IN_VAIN, 403, 403, 404, 404, 404), {}
    ),
    ("GET", "/metrics"): Row("/metrics", Scope.READ, (*IN_VAIN, 403, 404, 404, 404, 404)),  # off by default
    ("GET", "/openapi.json"): Row("/openapi.json", Scope.READ, (*IN_VAIN, 403, 200, 200, 200, 200)),
    ("POST", "/_run_task"): Row(
        "/_run_task", Scope.SUBMIT, (*IN_VAIN, 403, 403, 202, 202, 202), f"task={TASK}".encode()
    ),
    ("GET", "/status/{id}"): Row("/status/{id}", Scope.READ, (*IN_VAIN, 403, 403, 200, 200, 200)),
}


class Tokens:
    """Makes tokens in the product's own file."""

    def __init__(self, data: Path) -> None:
        self._store = FileStore(data / "tokens.json")
        self._made = 0

    def make(self, *scopes: Scope, tasks: str = "*", expired: bool = False, name: str = "") -> str:
        """A token of a name of its own; of ``name``, which has one at a time."""
        token = ""
        self._made += not name

        def create(book: TokenBook) -> TokenBook:
            nonlocal token
            now = time.time() - 100 if expired else time.time()
            lifetime = 60 if expired else None
            if name in {each.name for each in book.tokens.values()}:
                book = book.revoke(name)
            book, token = book.create(
                name or f"caller-{self._made}", now=now, scopes=scopes, tasks=[tasks], lifetime=lifetime
            )
            return book

        self._store.change(create)
        return token

    def revoke_last(self) -> None:
        self._store.change(lambda book: book.revoke(f"caller-{self._made}"))


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    data = tmp_path_factory.mktemp("auth") / "data"
    with Product(data, "--port", "0", COATCHECK_AUTH="tokens") as product:
        product.until_ready()
        yield product


@pytest.fixture(scope="module")
def tokens(product: Product) -> Tokens:
    return Tokens(product.data)


@pytest.fixture(scope="module")
def admin(tokens: Tokens) -> str:
    return f"Bearer {tokens.make(Scope.ADMIN)}"


def authorization(caller: str, scope: Scope | None, tokens: Tokens) -> str | None:
    """The header that a kind of caller sends to a route of that scope."""
    needed = scope or Scope.READ
    match caller:
        case "nobody":
            return None
        case "malformed":
            return "Bearer cc_not_a_token"
        case "expired":
            token = tokens.make(Scope.ADMIN, expired=True)
        case "revoked":
            token = tokens.make(Scope.ADMIN)
            tokens.revoke_last()
        case "wrong-scope":
            token = tokens.make(*(set(Scope) - {needed, Scope.ADMIN}))
        case "wrong-task":
            token = tokens.make(Scope.SUBMIT, Scope.READ, tasks="other.*", name=OWNER)
        case "other-owner":
            token = tokens.make(Scope.SUBMIT, Scope.READ)
        case "owner":
            token = tokens.make(needed, tasks="examples.short_*", name=OWNER)
        case _:
            token = tokens.make(Scope.ADMIN, tasks="other.*")
    return f"Bearer {token}"


def send(product: Product, method: str, path: str, header: str | None, body: Any = None) -> Any:
    """The answer: anything with ``status``, ``headers`` and ``read()``."""
    headers = {} if header is None else {"Authorization": header}
    data = body
    if body is not None:
        headers["Content-Type"] = FORM if isinstance(body, bytes) else "application/json"
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(product.url.rstrip("/") + path, data, headers, method=method)
    try:
        return urlopen(request, timeout=30)
    except HTTPError as error:
        return error


def test_every_route_has_a_row() -> None:
    routes = {(method, path) for path, methods in app.routes.items() for method in methods}
    assert ROWS.keys() == {(method, path) for method, path in routes if method != "OPTIONS"}


@pytest.mark.parametrize("route", ROWS, ids=" ".join)
def test_who_is_let_in(route: tuple[str, str], product: Product, tokens: Tokens) -> None:
    row = ROWS[route]
    found = []
    for caller in CALLERS:
        path = row.path
        if "{" in path:
            owner = f"Bearer {tokens.make(Scope.SUBMIT, name=OWNER)}"
            jobs = {"jobs": [{"task": TASK, "delay": "1h"}]}
            with send(product, "POST", "/jobs", owner, jobs) as answer:
                submitted = json.load(answer)
                job, batch = submitted["jobs"][0]["id"], submitted["batch"]["id"]
            if "{canceled}" in path:
                send(product, "DELETE", f"/jobs/{job}", owner).close()
            with send(product, "POST", "/uploads", owner, {"name": "a.csv", "size": 1}) as answer:
                file = json.load(answer)["id"]
            path = path.format(id=job, canceled=job, batch=batch, file=file)
        with send(product, route[0], path, authorization(caller, row.scope, tokens), row.body) as answer:
            found.append(answer.status)
            if answer.status in (401, 403):
                check_refusal(answer)
    assert dict(zip(CALLERS, found, strict=True)) == dict(zip(CALLERS, row.expected, strict=True))


def check_refusal(answer: Any) -> None:
    document = json.load(answer)
    slug = {401: "unauthorized", 403: "forbidden"}[answer.status]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["type"] == f"urn:coatcheck:problem:{slug}"
    assert document["detail"] and document["status"] == answer.status
    if answer.status == 401:
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="coatcheck"')


def test_the_header_may_be_written_as_http_allows_it(product: Product, admin: str) -> None:
    token = admin.removeprefix("Bearer ")
    for header in (f"bearer {token}", f"BEARER {token}", f"Bearer   {token}"):
        with send(product, "GET", "/queues", header) as answer:
            assert answer.status == 200
    for header in (token, f"Basic {token}", f"Bearer {token}, Bearer {token}", f'Bearer "{token}"'):
        with send(product, "GET", "/queues", header) as answer:
            assert answer.status == 401


def test_no_token_stands_in_the_log(product: Product, tokens: Tokens, admin: str) -> None:
    wrong = "cc_" + "a" * 12 + "_" + "b" * 40
    send(product, "POST", "/jobs", f"Bearer {wrong}", {}).close()
    send(product, "DELETE", "/jobs/nothing", admin).close()
    log = product.log()
    assert " 401 " in log
    assert wrong not in log and admin.rpartition("_")[2] not in log


def test_it_says_that_it_asks_and_how_a_token_is_made(product: Product) -> None:
    assert (
        f"to make a token: coatcheck token create NAME --target local --data {product.data}\n"
        in product.log()
    )


def test_it_says_that_it_asks_nobody_and_what_would_change_that(start: Start) -> None:
    product = start()
    product.until_ready()
    [line] = [line for line in product.log().splitlines() if "authentication is off" in line]
    assert line.endswith("whoever reaches this machine can submit jobs (COATCHECK_AUTH=tokens turns it on)")


def test_iam_needs_api_gateway(start: Start) -> None:
    product = start(COATCHECK_AUTH="iam")
    assert product.process.wait(60) == 2
    assert "COATCHECK_AUTH=iam needs API Gateway" in product.log()
