"""Below a stage of API Gateway every link holds the stage."""

from __future__ import annotations

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
