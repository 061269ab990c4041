"""The option ``callback``, and what became of a job's deliveries."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import pytest
import redis

from coatcheck.callbacks import TASK as DELIVERY
from coatcheck.keys import Keys
from tests.coatcheck.test_callbacks import FORBIDDEN
from tests.functions.client import Api

TASK = "/tasks/examples.short_task"
URL = "https://example.com/hook?a=1"


@pytest.fixture
def api(api: Api, change: Callable[..., None]) -> Api:
    """An API that takes callbacks; nothing reads the secret here."""
    change(callback_secret="/nowhere")
    return api


def test_a_callback_is_taken_with_one_job_and_in_a_batch(api: Api, client: redis.Redis, keys: Keys) -> None:
    one = api.post(f"{TASK}?callback={quote(URL)}", {}).json
    batch = {"jobs": [{"task": "examples.short_task", "callback": URL}, {"task": "examples.short_task"}]}
    two, three = api.post("/jobs", batch).json["jobs"]
    found = [client.hget(keys.job(job["id"]), "callback") for job in (one, two, three)]
    assert found == [URL.encode(), URL.encode(), None]
    assert "example.com" not in str(one), "whoever reads the job need not know where its end is told"


def test_it_is_part_of_what_an_idempotency_key_stands_for(api: Api) -> None:
    first = api.post(f"{TASK}?callback={quote(URL)}", {}, idempotency_key="k")
    again = api.post(f"{TASK}?callback={quote(URL)}", {}, idempotency_key="k")
    assert first.json["id"] == again.json["id"]
    assert api.post(TASK, {}, idempotency_key="k").is_problem(422, "idempotency-mismatch")


@pytest.mark.parametrize("url", [url for url in FORBIDDEN if isinstance(url, str)][::7])
def test_a_forbidden_url_is_refused_at_once(url: str, api: Api) -> None:
    reply = api.post(f"{TASK}?callback={quote(url)}", {})
    assert reply.is_problem(400, "invalid-request") and list(reply.errors) == ["?callback"]
    reply = api.post("/jobs", {"jobs": [{"task": "examples.short_task", "callback": url}]})
    assert reply.is_problem(422, "invalid-arguments") and list(reply.errors) == ["/jobs/0/callback"]
    assert api.get("/jobs").json["jobs"] == []


def test_without_a_secret_there_are_no_callbacks(api: Api, change: Callable[..., None]) -> None:
    change(callback_secret="")
    reply = api.post(f"{TASK}?callback={quote(URL)}", {})
    assert reply.is_problem(400, "invalid-request")
    assert "COATCHECK_CALLBACK_SECRET" in reply.errors["?callback"]


def test_deliveries_are_listed_and_repeated(api: Api) -> None:
    job = api.post(f"{TASK}?callback={quote(URL)}", {}).json
    address = f"/jobs/{job['id']}/deliveries"
    assert api.get(address).json == {"callback": URL, "attempts": []}
    assert api.get(address).headers["cache-control"] == "no-store"
    assert api.post(address).is_problem(409, "conflict")
    api.delete(job["links"]["self"])
    reply = api.post(address)
    assert (reply.status, reply.json["task"]) == (202, DELIVERY)
    assert reply.headers["location"] == reply.json["links"]["self"]
    assert [each["task"] for each in api.get("/jobs").json["jobs"]].count(DELIVERY) == 2


def test_a_job_without_callback_has_nothing_to_repeat(api: Api) -> None:
    job = api.post(TASK, {}).json
    assert api.get(f"/jobs/{job['id']}/deliveries").json == {"callback": None, "attempts": []}
    assert api.post(f"/jobs/{job['id']}/deliveries").is_problem(409, "conflict")


def test_an_unknown_job_has_none(api: Api) -> None:
    for method in ("GET", "POST"):
        assert api.request(method, f"/jobs/{'0' * 36}/deliveries").is_problem(404, "unknown-job")


def test_the_task_that_delivers_can_t_be_submitted(api: Api) -> None:
    arguments = {"job": "0" * 36, "url": URL, "delivery": "0" * 36}
    assert api.post(f"/tasks/{DELIVERY}", arguments).is_problem(404, "unknown-task")
    batch = {"jobs": [{"task": DELIVERY, "arguments": arguments}]}
    assert api.post("/jobs", batch).is_problem(422, "invalid-arguments")
    assert DELIVERY not in api.get("/tasks").body
