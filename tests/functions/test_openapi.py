"""``GET /openapi.json``: valid, whole, and true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from app import app
from chalicelib import (
    batches,
    deliveries,
    health,
    jobs,
    openapi,
    page,
    prometheus,
    queues,
    schedules,
    story,
    tasks,
    uploads,
)
from chalicelib.openapi import describe
from chalicelib.schemas import hoist
from coatcheck.catalog import Catalog
from tests.functions.client import Api

RESOURCES: tuple[Any, ...] = (
    batches,
    deliveries,
    health,
    jobs,
    openapi,
    page,
    prometheus,
    queues,
    schedules,
    story,
    tasks,
    uploads,
)
TRIP = {"start": {"city": "Oslo"}, "travellers": 2, "further_stops": [{"city": "Bergen", "nights": 2}]}


@pytest.fixture
def document(api: Api) -> Any:
    """The description, as a client gets it."""
    return api.get("/openapi.json").json


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Every operation with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def checker(document: Any, name: str) -> Draft202012Validator:
    """A validator for a shared schema of the document."""
    resource = DRAFT202012.create_resource(document)
    registry: Registry[Any] = Registry().with_resource("urn:api", resource)
    return Draft202012Validator({"$ref": f"urn:api#/components/schemas/{name}"}, registry=registry)


def test_it_is_valid_openapi_3_1(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_route_is_described_and_none_else(document: Any, catalog: Catalog) -> None:
    expected = {(method, path) for path, methods in app.routes.items() for method in methods}
    expected -= {("OPTIONS", path) for path in app.routes}
    expected.remove(("POST", "/tasks/{name}"))
    expected |= {("POST", f"/tasks/{task.name}") for task in catalog.tasks}
    assert {(method, path) for method, path, _ in operations(document)} == expected


def test_operation_ids_are_unique(document: Any) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)


def test_a_task_s_arguments_are_exactly_its_schema(document: Any) -> None:
    content = document["paths"]["/tasks/examples.plan_trip"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-www-form-urlencoded"}
    assert content["application/json"]["schema"] == {
        "$ref": "#/components/schemas/examples.plan_trip.arguments"
    }
    arguments = checker(document, "examples.plan_trip.arguments")
    assert arguments.is_valid(TRIP)
    wrong = [
        {"travellers": 2},
        TRIP | {"travellers": 10},
        TRIP | {"comfort": "plush"},
        TRIP | {"start": {"city": ""}},
        TRIP | {"further_stops": [{"nights": 1}]},
        TRIP | {"more": 1},
    ]
    assert [arguments.is_valid(arguments_) for arguments_ in wrong] == [False] * len(wrong)


def test_a_task_s_result_is_in_its_answer(document: Any) -> None:
    answer = document["paths"]["/tasks/examples.short_task"]["post"]["responses"]["202"]
    schema = answer["content"]["application/json"]["schema"]
    assert {"$ref": "#/components/schemas/Job"} in schema["allOf"]
    assert "examples.short_task.result" in json.dumps(schema)
    assert checker(document, "examples.plan_trip.result").is_valid(
        {"travellers": 1, "nights": 1, "route": [], "leaves": None, "price": 1.5}
    )


@pytest.mark.parametrize("path", ["/tasks/examples.short_task", "/jobs", "/jobs/{id}"])
def test_the_problems_of_an_operation_are_listed_by_status(document: Any, path: str) -> None:
    for operation in document["paths"][path].values():
        responses = operation["responses"]
        assert {"400", "500", "503"} <= set(responses)
        assert "application/problem+json" in responses["503"]["content"]


def test_what_the_api_answers_fits_what_it_describes(document: Any, api: Api) -> None:
    job = api.post("/tasks/examples.plan_trip", TRIP).json
    batch = api.post("/jobs", {"jobs": [{"task": "examples.short_task", "delay": "5m"}]}).json
    answers = {
        "Job": job,
        "Jobs": batch,
        "Batch": api.get(batch["batch"]["links"]["self"]).json,
        "JobList": api.get("/jobs").json,
        "Log": api.get(job["links"]["log"]).json,
        "Deliveries": api.get(f"/jobs/{job['id']}/deliveries").json,
        "Task": api.get("/tasks/examples.plan_trip").json,
        "TaskList": api.get("/tasks").json,
        "QueueList": api.get("/queues").json,
        "Health": api.get("/health").json,
        "StoryStatus": api.get(f"/status/{job['id']}").json,
        "Problem": api.post("/tasks/examples.plan_trip", {}).json,
    }
    for name, answer in answers.items():
        assert [error.message for error in checker(document, name).iter_errors(answer)] == [], name
        assert set(answer) <= set(document["components"]["schemas"][name]["properties"]), name


@pytest.mark.parametrize("auth", ["none", "tokens", "iam"])
def test_an_empty_catalogue_is_described_too(auth: str) -> None:
    assert list(OpenAPIV31SpecValidator(describe((), "/", auth)).iter_errors()) == []


def test_without_authentication_no_operation_asks_for_any(document: Any) -> None:
    assert "securitySchemes" not in document["components"]
    for _, _, operation in operations(document):
        assert "security" not in operation and "401" not in operation["responses"]


@pytest.mark.parametrize("auth", ["tokens", "iam"])
def test_with_authentication_each_operation_tells_its_scope_and_its_refusals(
    auth: str, catalog: Catalog
) -> None:
    document = describe(catalog.tasks, "/", auth)
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert document["components"]["securitySchemes"].keys() == {auth}
    scopes = {(route.method, route.path): route.scope for module in RESOURCES for route in module.ROUTES}
    for method, path, operation in operations(document):
        submits = method == "POST" and path.startswith("/tasks/")
        scope = scopes[method, "/tasks/{name}" if submits else path]
        assert operation.get("security") == (None if scope is None else [{auth: [scope]}]), path
        assert ({"401", "403"} <= operation["responses"].keys()) == (scope is not None), path


def test_references_follow_their_definitions_and_data_is_left_alone() -> None:
    data = {"$ref": "#/$defs/Not one"}
    schema = {
        "type": "object",
        "properties": {
            "$ref": {"$ref": "#/$defs/Node"},
            "default": {"$ref": "#/$defs/Node", "default": data, "examples": [data]},
            "pet": {
                "oneOf": [{"$ref": "#/$defs/Cat"}],
                "discriminator": {"propertyName": "kind", "mapping": {"cat": "#/$defs/Cat"}},
            },
        },
        "$defs": {
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}},
            "Cat": {"const": data},
        },
    }
    node, cat = "#/components/schemas/t.arguments.Node", "#/components/schemas/t.arguments.Cat"
    assert hoist(schema, "t.arguments") == {
        "t.arguments": {
            "type": "object",
            "properties": {
                "$ref": {"$ref": node},
                "default": {"$ref": node, "default": data, "examples": [data]},
                "pet": {
                    "oneOf": [{"$ref": cat}],
                    "discriminator": {"propertyName": "kind", "mapping": {"cat": cat}},
                },
            },
        },
        "t.arguments.Node": {"type": "object", "properties": {"next": {"$ref": node}}},
        "t.arguments.Cat": {"const": data},
    }
