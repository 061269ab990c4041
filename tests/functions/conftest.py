"""The app through Chalice's own test client, on a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chalicelib import context as contexts
from chalicelib.context import Context
from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog, TaskSpec
from coatcheck.connection import connect
from coatcheck.settings import Settings
from tests.functions.client import Api
from worker_image.discovery import catalog_of, discover

OPTIONED = TaskSpec(
    name="reports.yearly",
    title="Yearly",
    description="A task with options of its own.",
    schema={"type": "object", "properties": {"year": {"type": "integer"}}, "additionalProperties": False},
    result={"type": "string"},
    queue="reports",
    timeout=33,
    retries=2,
    retry_delays=(5, 9),
    result_ttl=77,
)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The shipped tasks, as discovered, and one with options."""
    return Catalog((*catalog_of(discover("worker_image.tasks")).tasks, OPTIONED))


@pytest.fixture
def context(settings: Settings, adapter: QueueAdapter, catalog: Catalog) -> Iterator[Context]:
    """What the app answers from."""
    context = Context(settings, catalog, adapter)
    contexts.use(context)
    yield context
    contexts.use(None)


@pytest.fixture
def change(context: Context) -> Callable[..., None]:
    """Changes settings of the running app: ``change(max_body=2000)``."""

    def change(**values: object) -> None:
        settings = replace(context.settings, **values)  # type: ignore[arg-type]
        adapter = QueueAdapter(connect(settings), settings)
        contexts.use(Context(settings, context.catalog, adapter))

    return change


@pytest.fixture
def api(context: Context) -> Api:
    """A client of the app, at no stage."""
    return Api()


@pytest.fixture
def staged(context: Context) -> Api:
    """A client of the app below the stage ``/api``, as behind API Gateway."""
    return Api(stage="api")
