"""``/tasks``: the catalogue and the submission of one job."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog
from coatcheck.job import is_job_id, parse_time
from coatcheck.keys import Keys
from tests.functions.client import FORM, Api

TRIP = {"start": {"city": "Oslo"}, "travellers": 2}


def test_the_catalogue_lists_every_task_with_its_schema(api: Api, catalog: Catalog) -> None:
    document = api.get("/tasks").json
    assert [task["name"] for task in document["tasks"]] == [task.name for task in catalog.tasks]
    assert document["version"] == catalog.version
    trip = next(task for task in document["tasks"] if task["name"] == "examples.plan_trip")
    assert set(trip) == {
        "name", "title", "description", "queue", "timeout", "retries", "schema", "result", "links"
    }  # fmt: skip
    assert trip["title"] == "Plan trip"
    assert trip["schema"]["properties"]["travellers"]["maximum"] == 9
    assert trip["links"] == {"self": "/tasks/examples.plan_trip", "submit": "/tasks/examples.plan_trip"}


def test_one_task_is_what_the_catalogue_says_of_it(api: Api) -> None:
    listed = {task["name"]: task for task in api.get("/tasks").json["tasks"]}
    assert api.get("/tasks/examples.count_slowly").json == listed["examples.count_slowly"]


def test_a_name_may_be_percent_encoded(api: Api) -> None:
    assert api.get("/tasks/examples%2Eshort%5Ftask").json["name"] == "examples.short_task"


def test_a_task_shows_the_queue_and_timeout_that_its_jobs_will_get(api: Api) -> None:
    own = api.get("/tasks/reports.yearly").json
    assert (own["queue"], own["timeout"], own["retries"]) == ("reports", 33, 2)
    default = api.get("/tasks/examples.short_task").json
    assert (default["queue"], default["timeout"], default["retries"]) == ("default", 1800, None)


@pytest.mark.parametrize(
    "path", ["/tasks", "/tasks/examples.short_task", "/openapi.json", "/", "/static/app.js"]
)
def test_given_the_etag_of_the_last_answer_then_304_without_a_body(api: Api, path: str) -> None:
    first = api.get(path)
    etag = first.headers["etag"]
    assert first.status == 200 and first.headers["cache-control"] == "no-cache"
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = api.get(path, if_none_match=known)
        assert (again.status, again.body, again.headers["etag"]) == (304, "", etag)
    assert api.get(path, if_none_match='"other"').status == 200


def test_a_submission_is_answered_with_the_ticket(api: Api) -> None:
    reply = api.post("/tasks/examples.plan_trip", TRIP)
    job = reply.json
    assert reply.status == 202
    assert is_job_id(job["id"])
    assert reply.headers["location"] == f"/jobs/{job['id']}"
    assert reply.headers["retry-after"] == "1"
    assert reply.headers["cache-control"] == "no-store"
    assert list(job) == [
        "id", "task", "queue", "status", "progress", "arguments", "result", "result_file", "error",
        "attempt", "interrupted", "created_at", "enqueued_at", "scheduled_for", "started_at", "ended_at",
        "worker", "stop_requested", "owner", "after", "if_failed", "batch", "parent", "children", "links",
    ]  # fmt: skip
    assert (job["task"], job["status"], job["queue"], job["arguments"]) == (
        "examples.plan_trip", "queued", "default", TRIP
    )  # fmt: skip
    assert abs((parse_time(job["created_at"]) - datetime.now(UTC)).total_seconds()) < 60
    assert job["created_at"].endswith("Z")


def test_the_ticket_leads_to_the_same_job(api: Api) -> None:
    reply = api.post("/tasks/examples.plan_trip", TRIP)
    assert api.get(reply.headers["location"]).json == reply.json


@pytest.mark.parametrize("body", [None, "", "{}"])
def test_a_task_without_required_arguments_needs_no_body(api: Api, body: str | None) -> None:
    assert api.request("POST", "/tasks/examples.short_task", body).status == 202


def test_other_json_types_are_read_as_json(api: Api) -> None:
    reply = api.send(
        "/tasks/examples.count_slowly", '{"to": 3}', "application/vnd.example+json; charset=utf-8"
    )
    assert reply.json["arguments"] == {"to": 3}


def test_a_form_is_converted_by_the_schema(api: Api) -> None:
    body = 'travellers=3&comfort=grand&leaves=&start={"city"%3A"Zürich"}&further_stops=[]'
    reply = api.send("/tasks/examples.plan_trip", body, FORM)
    assert reply.status == 202, reply
    assert reply.json["arguments"] == {
        "travellers": 3, "comfort": "grand", "start": {"city": "Zürich"}, "further_stops": []
    }  # fmt: skip


def test_options_of_a_task_go_with_its_job(api: Api, client: redis.Redis, keys: Keys) -> None:
    job = api.post("/tasks/reports.yearly", {"year": 2026}).json
    assert job["queue"] == "reports"
    fields = client.hgetall(keys.job(job["id"]))
    assert (fields[b"timeout"], fields[b"result_ttl"], fields[b"retries_left"]) == (b"33", b"77", b"2")
    assert fields[b"retry_intervals"] == b"[5,9]"


def test_an_option_of_the_request_goes_before_the_task_s_own(
    api: Api, client: redis.Redis, keys: Keys
) -> None:
    job = api.post("/tasks/reports.yearly?queue=other&timeout=12", {}).json
    assert job["queue"] == "other"
    assert client.hget(keys.job(job["id"]), "timeout") == b"12"


def test_a_refused_submission_leaves_nothing_in_redis(
    api: Api, adapter: QueueAdapter, client: redis.Redis
) -> None:
    assert api.post("/tasks/examples.plan_trip", {"travellers": 0}).status == 422
    assert api.post("/tasks/examples.short_task?timeout=0", {}).status == 400
    assert adapter.list().jobs == []
