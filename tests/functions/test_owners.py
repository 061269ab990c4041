"""Whose job it is: a caller deals with their own jobs, an admin with all, and nobody learns of another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from chalicelib.callers import Caller
from coatcheck.adapter import QueueAdapter
from coatcheck.job import new_job_id
from coatcheck.keys import Keys
from coatcheck.scopes import EVERYTHING, Access, Scope
from tests.coatcheck.conftest import WorkerByHand, worker
from tests.functions.client import Api, Reply

__all__ = ["worker"]

TASK = "/tasks/examples.short_task"
ROUTES = [("GET", ""), ("GET", "/log"), ("DELETE", ""), ("POST", "/retry")]

As = Callable[..., Api]


@pytest.fixture
def as_caller(context: object, change: Callable[..., None]) -> As:
    """A client of somebody's: ``as_caller("ann")``, ``as_caller("root", "admin")``."""
    change(auth="tokens")

    def told(name: str, *scopes: str, tasks: str = "*") -> Api:
        api = Api()
        api.authorizer = {
            "principalId": name,
            "scopes": " ".join(scopes or ("read", "submit")),
            "tasks": tasks,
        }
        return api

    return told


def ids(reply: Reply) -> list[str]:
    assert reply.status == 200, reply
    return [job["id"] for job in reply.json["jobs"]]


def submitted(api: Api, count: int = 1, **options: Any) -> list[str]:
    jobs = [{"task": "examples.short_task", "delay": "1h", **options}] * count
    return [job["id"] for job in api.post("/jobs", {"jobs": jobs}).json["jobs"]]


def test_a_job_carries_the_name_of_the_token_that_submitted_it(as_caller: As) -> None:
    ann = as_caller("ann")
    one = ann.post(TASK, {})
    [batch] = ann.post("/jobs", {"jobs": [{"task": "examples.short_task"}]}).json["jobs"]
    assert one.json["owner"] == batch["owner"] == "ann"
    assert ann.get(f"/jobs/{one.json['id']}").json["owner"] == "ann"
    assert [job["owner"] for job in ann.get("/jobs").json["jobs"]] == ["ann", "ann"]
    [canceled] = submitted(ann)
    assert ann.delete(f"/jobs/{canceled}").json["owner"] == "ann"
    assert ann.post(f"/jobs/{canceled}/retry").json["owner"] == "ann"


def test_where_nobody_is_asked_who_calls_a_job_is_nobodys_and_all_see_it(api: Api) -> None:
    job = api.post(TASK, {}).json
    assert job["owner"] is None
    assert api.get(f"/jobs/{job['id']}").json["owner"] is None
    assert ids(api.get("/jobs")) == [job["id"]]


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=" ".join)
def test_anothers_job_is_answered_as_one_that_never_was(method: str, path: str, as_caller: As) -> None:
    [job] = submitted(as_caller("ann"))
    bob, unknown = as_caller("bob"), new_job_id()
    reply, never = bob.request(method, f"/jobs/{job}{path}"), bob.request(method, f"/jobs/{unknown}{path}")
    assert reply.is_problem(404, "unknown-job")
    assert reply.body.replace(job, unknown) == never.body and reply.headers == never.headers
    assert as_caller("ann").get(f"/jobs/{job}").json["status"] == "scheduled"


def test_the_route_of_2016_hides_anothers_job_too(as_caller: As) -> None:
    [job] = submitted(as_caller("ann"))
    bob = as_caller("bob")
    assert bob.get(f"/status/{job}").body == bob.get(f"/status/{new_job_id()}").body
    assert as_caller("ann").get(f"/status/{job}").json["status"] == "scheduled"


def test_neither_its_task_nor_its_status_gives_anothers_job_away(as_caller: As) -> None:
    ann = as_caller("ann")
    [job] = submitted(ann)
    ann.delete(f"/jobs/{job}")
    bob = as_caller("bob", tasks="other.*")
    for method, path in ROUTES:
        assert bob.request(method, f"/jobs/{job}{path}").is_problem(404, "unknown-job"), path


def test_another_owners_job_is_told_apart_in_redis_before_anything_of_it_is_read(
    as_caller: As, context: Any, client: redis.Redis
) -> None:
    [job] = submitted(as_caller("ann"))
    adapter: QueueAdapter = context.adapter

    def commands(job_id: str, owner: str) -> list[str]:
        client.config_resetstat()
        with pytest.raises(Exception, match="There is no job"):
            adapter.get(job_id, Access(owner))
        return sorted(name for name in client.info("commandstats") if "config" not in name)

    assert commands(job, "bob") == commands(new_job_id(), "bob")
    assert "cmdstat_hgetall" not in commands(job, "bob")


def test_an_admin_sees_and_stops_and_retries_all(as_caller: As) -> None:
    [job] = submitted(as_caller("ann"))
    root = as_caller("root", "admin")
    assert root.get(f"/jobs/{job}").json["owner"] == "ann"
    assert root.get(f"/jobs/{job}/log").status == 200
    assert root.delete(f"/jobs/{job}").status == 202
    assert root.post(f"/jobs/{job}/retry").json["owner"] == "ann"


def test_a_list_is_of_the_callers_jobs_and_an_admin_may_ask_for_anyones(as_caller: As) -> None:
    ann, bob, root = as_caller("ann"), as_caller("bob"), as_caller("root", "admin")
    hers, his, roots = submitted(ann, 3), submitted(bob, 2), submitted(root)
    for filters in ("", "&status=scheduled", "&queue=default", "&task=examples.short_task"):
        assert ids(ann.get(f"/jobs?limit=9{filters}")) == hers[::-1]
        assert ids(bob.get(f"/jobs?limit=9{filters}")) == his[::-1]
        assert ids(root.get(f"/jobs?limit=9{filters}")) == [*roots, *his[::-1], *hers[::-1]]
        assert (
            ids(root.get(f"/jobs?owner=ann{filters}"))
            == ids(ann.get(f"/jobs?owner=ann{filters}"))
            == hers[::-1]
        )
    assert ids(root.get("/jobs?owner=nobody")) == []
    assert ann.get("/jobs?owner=bob").is_problem(403, "forbidden")
    assert ann.get("/jobs?owner=bob").body == ann.get("/jobs?owner=nobody").body


def test_a_batch_is_listed_for_its_owner_and_an_admin_and_for_others_there_is_none(as_caller: As) -> None:
    ann, bob, root = as_caller("ann"), as_caller("bob"), as_caller("root", "admin")
    batch = ann.post("/jobs", {"jobs": [{"task": "examples.short_task"}] * 2}).json["batch"]["id"]
    address = f"/jobs?batch={batch}"
    hers = ids(ann.get(address))
    assert len(hers) == 2
    assert hers == ids(root.get(address)) == ids(root.get(f"{address}&owner=ann"))
    assert bob.get(address).is_problem(404, "unknown-batch")
    assert root.get(f"{address}&owner=bob").is_problem(404, "unknown-batch")
    assert (
        bob.get(address).json["detail"]
        == f"There is no batch {batch}: it never was, or was kept as long as promised."
    )


def test_a_cursor_of_anothers_list_leads_to_ones_own(as_caller: As) -> None:
    ann, bob = as_caller("ann"), as_caller("bob")
    [hers] = submitted(ann)
    his = submitted(bob, 3)
    assert ids(ann.get(f"/jobs?cursor={his[1]}")) == [hers]


def test_jobs_from_before_there_were_owners_are_the_admins(
    api: Api, as_caller: As, change: Callable[..., None]
) -> None:
    change(auth="none")
    job = api.post(f"{TASK}?delay=1h", {}).json["id"]
    change(auth="tokens")
    assert as_caller("ann").get(f"/jobs/{job}").is_problem(404, "unknown-job")
    assert ids(as_caller("ann").get("/jobs")) == []
    assert ids(as_caller("root", "admin").get("/jobs")) == [job]


def test_a_key_of_two_owners_is_two_keys(as_caller: As) -> None:
    ann, bob = as_caller("ann"), as_caller("bob")
    hers = ann.post(f"{TASK}?delay=1h", {}, idempotency_key="k")
    his = bob.post(f"{TASK}?delay=2h", {}, idempotency_key="k")
    assert (hers.status, his.status) == (202, 202) and hers.json["id"] != his.json["id"]
    assert ann.post(f"{TASK}?delay=1h", {}, idempotency_key="k").json["id"] == hers.json["id"]
    assert ids(bob.get("/jobs")) == [his.json["id"]]


def test_the_queues_tell_of_ones_own_jobs_only(
    as_caller: As, worker: WorkerByHand, client: redis.Redis, keys: Keys
) -> None:
    ann = as_caller("ann")
    job = ann.post(TASK, {}).json["id"]
    client.hset(keys.worker(worker.name), "last_heartbeat", "2999-01-01T00:00:00.000000Z")
    client.sadd(keys.workers_of("default"), keys.worker(worker.name))
    worker.begin()

    def shown(api: Api) -> list[tuple[str | None, str]]:
        queue = api.get("/queues").json["queues"][0]
        return [(each["job"], each["state"]) for each in queue["workers"]]

    assert shown(ann) == shown(as_caller("root", "admin")) == [(job, "busy")]
    assert shown(as_caller("bob")) == [(None, "busy")]
    assert shown(as_caller("ann", tasks="other.*")) == [(None, "busy")]
    client.hdel(keys.job(job), "owner")
    assert shown(as_caller("None")) == [(None, "busy")]


def test_what_a_caller_may_deal_with() -> None:
    assert Caller("root", frozenset({Scope.ADMIN}), ("other.*",)).access == EVERYTHING
    assert Caller("ann", frozenset({Scope.READ}), ("a.*",)).access == Access("ann", ("a.*",))
    assert not Access("ann").sees(None, "a.b") and Access("ann").sees("ann", "a.b")


@pytest.mark.parametrize(
    ("pattern", "fits", "fits_not"),
    [
        ("*", ["a.b"], []),
        ("a.*", ["a.b", "a."], ["ab.c", "b.a.x"]),
        ("a-b.?_d", ["a-b.c_d"], ["a-b.cc_d", "ab.c_d"]),
        ("a*.b*c", ["a.bc", "ax.bxc"], ["a.b", "xa.bc"]),
    ],
)
def test_a_pattern_of_tasks_means_the_same_in_redis(
    pattern: str, fits: list[str], fits_not: list[str], context: Any, client: redis.Redis, keys: Keys
) -> None:
    job, adapter, access = new_job_id(), context.adapter, Access("ann", ("none", pattern))
    for task in fits + fits_not:
        client.hset(keys.job(job), mapping={"status": "queued", "owner": "ann", "description": task})
        wanted = "can't be read" if task in fits else f"ann may use the tasks none, .* only, not {task}"
        with pytest.raises(Exception, match=wanted):
            adapter.get(job, access)
        assert access.sees("ann", task) == (task in fits)
