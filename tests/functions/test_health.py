"""``/health``, and the API while Redis is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib import context as contexts
from chalicelib.context import Context
from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog
from coatcheck.connection import connect
from coatcheck.settings import load
from infra.embedded import EmbeddedRedis
from tests.functions.client import FORM, Api
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

JOB = "/jobs/" + "0" * 36
REQUESTS = [
    ("POST", "/tasks/examples.short_task", "{}"),
    ("POST", "/jobs", '{"jobs": [{"task": "examples.short_task"}]}'),
    ("GET", "/jobs", None),
    ("GET", JOB, None),
    ("DELETE", JOB, None),
    ("POST", f"{JOB}/retry", None),
    ("GET", f"{JOB}/log", None),
    ("GET", "/queues", None),
    ("GET", "/status/" + "0" * 36, None),
]


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}"


def serve_from(url: str, catalog: Catalog) -> Api:
    """The app on the Redis of that URL."""
    settings = load({"REDIS_URL": url})
    contexts.use(Context(settings, catalog, QueueAdapter(connect(settings), settings)))
    return Api()


@pytest.fixture
def away(catalog: Catalog) -> Iterator[Api]:
    """The app where nothing listens at Redis' address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield serve_from(f"redis://127.0.0.1:{port}", catalog)
    contexts.use(None)


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_given_no_redis_then_503_says_when_to_come_back(
    away: Api, method: str, path: str, body: str | None
) -> None:
    reply = away.request(method, path, body)
    assert reply.is_problem(503, "unavailable")
    assert int(reply.headers["retry-after"]) >= 1


def test_given_no_redis_then_the_story_gets_503_too(away: Api) -> None:
    assert away.send("/_run_task", "task=Short+task", FORM).is_problem(503, "unavailable")


@pytest.mark.parametrize(
    "path", ["/", "/static/app.js", "/tasks", "/tasks/examples.short_task", "/openapi.json"]
)
def test_given_no_redis_then_what_needs_none_is_served(away: Api, path: str) -> None:
    assert away.get(path).status == 200


def test_given_a_redis_that_never_answers_then_503_within_three_seconds(
    silent: str, catalog: Catalog
) -> None:
    api = serve_from(silent, catalog)
    start = time.monotonic()
    reply = api.get(JOB)
    seconds = time.monotonic() - start
    contexts.use(None)
    assert reply.is_problem(503, "unavailable")
    assert seconds < 3


def test_given_redis_comes_back_then_the_same_process_goes_on(tmp_path: Path, catalog: Catalog) -> None:
    with EmbeddedRedis(tmp_path) as server:
        api = serve_from(server.url, catalog)
        ticket = api.post("/tasks/examples.short_task", {}).headers["location"]
    assert api.get(ticket).is_problem(503, "unavailable")
    with EmbeddedRedis(tmp_path) as server:
        settings = load({"REDIS_URL": server.url})
        assert settings.redis_url == server.url
        found = eventually(lambda: api.get(ticket) if api.get(ticket).status == 200 else None)
    contexts.use(None)
    assert found.json["status"] == "queued"


def test_given_no_redis_then_health_says_unavailable(away: Api, catalog: Catalog) -> None:
    reply = away.get("/health")
    assert reply.status == 503 and int(reply.headers["retry-after"]) >= 1
    assert reply.json == {"status": "unavailable", "redis": False, "queues": {}, "catalog": catalog.version}


def test_given_a_queue_without_worker_then_health_is_degraded(api: Api) -> None:
    reply = api.get("/health")
    assert reply.status == 503
    assert reply.json["status"] == "degraded" and reply.json["redis"] is True
    assert reply.json["queues"] == {name: {"workers": 0} for name in ("default", "other", "reports")}


def test_given_a_worker_on_each_queue_then_health_is_ok(
    context: Context, catalog: Catalog, start_pool: Callable[..., PoolProcess]
) -> None:
    settings = replace(context.settings, queues=("default",))
    shipped = Catalog(tuple(task for task in catalog.tasks if task.queue is None))
    contexts.use(Context(settings, shipped, context.adapter))
    start_pool(COATCHECK_TASKS="worker_image.tasks", COATCHECK_QUEUES="default")
    reply = eventually(lambda: reply if (reply := Api().get("/health")).status == 200 else None)
    contexts.use(context)
    partly = Api().get("/health")
    assert (partly.status, partly.json["status"]) == (503, "degraded")
    assert partly.json["queues"]["default"] == {"workers": 1} and partly.json["queues"]["other"] == {
        "workers": 0
    }
    assert reply.json == {
        "status": "ok", "redis": True, "queues": {"default": {"workers": 1}}, "catalog": shipped.version
    }  # fmt: skip
