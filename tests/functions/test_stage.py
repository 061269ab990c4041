"""Below a stage of API Gateway every link holds the stage."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from chalicelib.requests import prefix_of
from tests.functions.client import FORM, Api


@pytest.mark.parametrize(
    ("path", "template", "prefix"),
    [
        ("/jobs", "/jobs", ""),
        ("/", "/", ""),
        ("/api/jobs", "/jobs", "/api"),
        ("/api/jobs/", "/jobs", "/api"),
        ("/api/jobs/1/log", "/jobs/{id}/log", "/api"),
        ("/api", "/", "/api"),
        ("/api/", "/", "/api"),
        ("/tickets/v2/jobs/1", "/jobs/{id}", "/tickets/v2"),
        ("//evil.example/jobs", "/jobs", "/evil.example"),
        ("/jobs", "/jobs/{id}", ""),
    ],
)
def test_the_prefix_is_what_stands_before_the_route(path: str, template: str, prefix: str) -> None:
    assert prefix_of(path, template) == prefix


def test_every_link_of_a_job_is_below_the_stage_and_leads_somewhere(api: Api, staged: Api) -> None:
    reply = staged.post("/tasks/examples.short_task", {})
    job = reply.json
    assert reply.headers["location"] == f"/api/jobs/{job['id']}"
    assert job["links"] == {
        "self": f"/api/jobs/{job['id']}",
        "log": f"/api/jobs/{job['id']}/log",
        "retry": f"/api/jobs/{job['id']}/retry",
        "task": "/api/tasks/examples.short_task",
    }
    for name in ("self", "log", "task"):
        assert staged.get(job["links"][name].removeprefix("/api")).status == 200
    assert staged.get("/jobs").json["jobs"][0]["links"] == job["links"]


def test_links_of_batches_retries_and_tasks_are_below_the_stage(staged: Api) -> None:
    [job] = staged.post("/jobs", {"jobs": [{"task": "examples.short_task"}]}).json["jobs"]
    assert job["links"]["self"].startswith("/api/jobs/")
    staged.delete(f"/jobs/{job['id']}")
    assert staged.post(f"/jobs/{job['id']}/retry").headers["location"] == f"/api/jobs/{job['id']}"
    for task in staged.get("/tasks").json["tasks"]:
        assert task["links"]["submit"] == f"/api/tasks/{task['name']}"


def test_the_story_s_location_is_below_the_stage(staged: Api) -> None:
    reply = staged.send("/_run_task", "task=Short+task", FORM)
    assert reply.headers["location"].startswith("/api/status/")


def test_openapi_names_the_stage_as_its_server(api: Api, staged: Api) -> None:
    assert staged.get("/openapi.json").json["servers"] == [{"url": "/api"}]
    assert api.get("/openapi.json").json["servers"] == [{"url": "/"}]


def test_links_behind_a_gateway_of_paths_have_its_path_and_the_apis_id(
    change: Callable[..., None], staged: Api
) -> None:
    change(gateway_path="/_aws/execute-api")
    reply = staged.post("/tasks/examples.short_task", {}, host="localhost:4566")
    job = reply.json
    prefix = reply.headers["location"].removesuffix(f"/api/jobs/{job['id']}")
    assert re.fullmatch(r"/_aws/execute-api/[a-z0-9]+", prefix)
    assert job["links"]["self"] == reply.headers["location"]


def test_links_at_a_host_name_of_the_apis_own_have_only_the_stage(
    change: Callable[..., None], staged: Api
) -> None:
    change(gateway_path="/_aws/execute-api")
    host = "abc123.execute-api.localhost.localstack.cloud:4566"
    reply = staged.post("/tasks/examples.short_task", {}, host=host)
    assert reply.headers["location"].startswith("/api/jobs/")
