"""``/schedules`` through the app: what is shown of periodic tasks, pause, resume and run now."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

import pytest
import redis

from chalicelib import context as contexts
from chalicelib.context import Context
from coatcheck.catalog import Catalog, TaskSpec
from coatcheck.errors import UnavailableError
from coatcheck.job import parse_time
from coatcheck.keys import Keys
from coatcheck.schedule import Schedule
from tests.functions.client import Api
from tests.functions.test_metrics import invoke

NIGHTLY = TaskSpec(
    name="reports.nightly",
    title="Nightly",
    description="",
    schema={"type": "object", "properties": {"year": {"type": "integer"}}, "additionalProperties": False},
    queue="other",
    schedule=Schedule(cron="0 3 * * *", timezone="Europe/Berlin", arguments={"year": 2026}),
)


@pytest.fixture(autouse=True)
def nightly(context: Context) -> None:
    """The app with one periodic task."""
    contexts.use(replace(context, catalog=Catalog((*context.catalog.tasks, NIGHTLY))))


def test_the_list_has_every_periodic_task_and_no_other(api: Api) -> None:
    reply = api.get("/schedules")
    assert reply.status == 200
    (shown,) = reply.json["schedules"]
    assert (shown["task"], shown["title"], shown["cron"], shown["every"]) == (
        "reports.nightly",
        "Nightly",
        "0 3 * * *",
        None,
    )
    assert (shown["timezone"], shown["arguments"]) == ("Europe/Berlin", {"year": 2026})
    assert (shown["overlap"], shown["catch_up"], shown["paused"]) == ("skip", "last", False)
    assert (shown["last"], shown["last_job"], shown["skipped"]) == (None, None, 0)
    assert shown["words"] == "every day at 03:00"
    assert api.get(shown["links"]["self"]).json == shown
    assert NIGHTLY.schedule is not None
    coming = [parse_time(tick) for tick in shown["coming"]]
    assert coming == list(islice(NIGHTLY.schedule.after(datetime.now(UTC)), 3))
    assert parse_time(shown["next"]) == coming[0]


def test_a_paused_one_has_no_next_run_until_it_is_resumed(api: Api) -> None:
    links = api.get("/schedules/reports.nightly").json["links"]
    for _ in range(2):
        paused = api.post(links["pause"])
        assert (paused.status, paused.json["paused"], paused.json["next"]) == (200, True, None)
        assert paused.json["coming"] == []
    for _ in range(2):
        resumed = api.post(links["resume"])
        assert (resumed.status, resumed.json["paused"]) == (200, False)
        assert resumed.json["next"]


def test_run_now_submits_a_job_with_the_schedules_arguments_and_leaves_its_ticks(api: Api) -> None:
    reply = api.post("/schedules/reports.nightly/run")
    assert reply.status == 202
    assert (reply.json["task"], reply.json["arguments"]) == ("reports.nightly", {"year": 2026})
    assert reply.json["queue"] == "other"
    assert api.get(reply.headers["location"]).json["status"] == "queued"
    assert api.get("/schedules/reports.nightly").json["last_job"] is None


def test_the_same_key_again_gives_the_same_job(api: Api) -> None:
    first, again, other = (
        api.post("/schedules/reports.nightly/run", idempotency_key=key).json["id"]
        for key in ("one", "one", "two")
    )
    assert first == again != other


def test_what_was_run_last_is_shown(api: Api, client: redis.Redis, keys: Keys) -> None:
    job = api.post("/schedules/reports.nightly/run").json["id"]
    client.hset(keys.schedule("reports.nightly"), mapping={"ran": "1780000000", "job": job, "skipped": 3})
    shown = api.get("/schedules/reports.nightly").json
    assert (shown["last"], shown["last_job"], shown["skipped"]) == ("2026-05-28T20:26:40.000000Z", job, 3)
    assert api.get(shown["links"]["last_job"]).json["id"] == job


@pytest.mark.parametrize("path", ["", "/pause", "/resume", "/run"])
def test_a_task_without_a_schedule_says_so(path: str, api: Api) -> None:
    reply = api.request("POST" if path else "GET", f"/schedules/examples.short_task{path}")
    assert (reply.status, reply.json["type"]) == (404, "urn:coatcheck:problem:unknown-schedule")
    reply = api.request("POST" if path else "GET", f"/schedules/no.such{path}")
    assert (reply.status, reply.json["type"]) == (404, "urn:coatcheck:problem:unknown-task")


def test_the_function_of_each_minute_submits_what_is_due_before_it_counts(
    api: Api, client: redis.Redis, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    client.hset(keys.schedule("reports.nightly"), "last", "1780000000")
    invoke()
    assert '"QueuedJobs": 1' in capsys.readouterr().out
    (job,) = api.get("/jobs").json["jobs"]
    assert (job["task"], job["status"]) == ("reports.nightly", "queued")
    assert api.get("/schedules/reports.nightly").json["last_job"] == job["id"]


def test_the_figures_come_though_nothing_can_be_submitted(
    client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    client.config_set("maxmemory", 1)
    try:
        with pytest.raises(UnavailableError):
            invoke()
    finally:
        client.config_set("maxmemory", 0)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["QueuedJobs"] == 0
