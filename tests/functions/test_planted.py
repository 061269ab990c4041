"""What somebody plants in Redis is answered like any other job, or as an error, and disturbs nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from coatcheck.job import JobStatus
from coatcheck.keys import Keys
from tests.functions.client import PROBLEM, Api, Reply
from tests.support.hostile import SHAPES, Planter


def strict(text: str) -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    json.loads(text, parse_constant=refuse)


def assert_sound(reply: Reply) -> None:
    """An answer that is documented, and JSON."""
    assert reply.status in (200, 202, 404, 409), reply
    strict(reply.body)
    reply.body.encode()
    if reply.status >= 400:
        assert reply.headers["content-type"] == PROBLEM


@pytest.mark.parametrize("name", SHAPES)
def test_a_hostile_shape_is_answered_and_disturbs_nothing(
    name: str, api: Api, client: redis.Redis, keys: Keys, tmp_path: Path
) -> None:
    before = api.post("/tasks/examples.short_task", {}).json["id"]
    planted = SHAPES[name](Planter(client, keys, str(tmp_path / "trace")))
    statuses = ["", *(f"&status={status}" for status in JobStatus)]
    for _ in range(2):
        assert_sound(api.get(f"/jobs/{planted}"))
        assert_sound(api.get(f"/jobs/{planted}/log"))
        assert_sound(api.get(f"/jobs/{planted}/deliveries"))
        for status in statuses:
            assert_sound(api.get(f"/jobs?limit=200{status}"))
        assert api.get("/queues").status == 200
        assert api.get("/health").status in (200, 503)
        if _ == 0:
            assert_sound(api.delete(f"/jobs/{planted}"))
            assert_sound(api.post(f"/jobs/{planted}/retry"))
    after = api.post("/tasks/examples.short_task", {}).json["id"]
    shown = {job["id"] for job in api.get("/jobs?limit=200").json["jobs"]}
    assert {before, after} <= shown
    assert not (tmp_path / "trace").exists()
