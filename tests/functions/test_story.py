"""The routes of 2016, byte for byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chalicelib.story import find_task
from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog, TaskSpec
from coatcheck.errors import InvalidRequestError
from coatcheck.job import is_job_id
from tests.functions.client import FORM, Api, Reply
from tests.support.polling import eventually
from tests.support.processes import PoolProcess


def run(api: Api, task: str) -> Reply:
    """Submit as the page of 2016 did."""
    return api.send("/_run_task", f"task={task}", FORM)


def spec(name: str, title: str) -> TaskSpec:
    """A task without arguments."""
    return TaskSpec(name=name, title=title, description="", schema={"type": "object"})


@pytest.mark.parametrize("task", ["Short+task", "Short%20task", "examples.short_task", "short_task"])
def test_a_task_is_submitted_by_title_or_name(api: Api, adapter: QueueAdapter, task: str) -> None:
    reply = run(api, task)
    assert (reply.status, reply.body) == (202, "{}")
    assert reply.headers["content-type"] == "application/json"
    start, _, job_id = reply.headers["location"].rpartition("/")
    assert start == "/status" and is_job_id(job_id)
    assert adapter.get(job_id).task == "examples.short_task"


def test_a_waiting_job_has_no_result_yet(api: Api) -> None:
    assert api.get(run(api, "Long+task").headers["location"]).body == '{"status": "queued", "result": null}'


def test_the_three_tasks_of_the_story_end_as_told(api: Api, start_pool: Callable[..., PoolProcess]) -> None:
    start_pool(COATCHECK_TASKS="worker_image.tasks", MAX_TIME_TO_WAIT="0.1")
    addresses = {
        title: run(api, title).headers["location"]
        for title in ("Short+task", "Long+task", "Task+raises+error")
    }

    def over() -> bool:
        return all(
            api.get(address).json["status"] in ("finished", "failed") for address in addresses.values()
        )

    eventually(over)
    bodies = {title: api.get(address).body for title, address in addresses.items()}
    assert bodies == {
        "Short+task": '{"status": "finished", "result": "Slept 1 second."}',
        "Long+task": '{"status": "finished", "result": "Slept 0.1 seconds."}',
        "Task+raises+error": (
            '{"status": "failed", "result": null, "message": "ZeroDivisionError: division by zero"}'
        ),
    }


@pytest.mark.parametrize("job_id", ["0" * 36, "x", "%2e%2e", "8f6a2c1e-0000-4000-8000-000000000000"])
def test_an_unknown_or_malformed_id_is_unknown_with_200(api: Api, job_id: str) -> None:
    reply = api.get(f"/status/{job_id}")
    assert (reply.status, reply.body) == (200, '{"status": "unknown"}')


def test_a_parameter_against_caches_is_no_fault(api: Api) -> None:
    assert api.get("/status/x?_=1448323200").status == 200


@pytest.mark.parametrize("task", ["Nothing", "", "os.system", "examples"])
def test_an_unknown_task_is_refused(api: Api, task: str) -> None:
    assert run(api, task).is_problem(404, "unknown-task")


def test_a_task_with_required_arguments_is_refused(api: Api) -> None:
    reply = run(api, "Plan+trip")
    assert reply.is_problem(422, "invalid-arguments")
    assert set(reply.errors) == {"/start", "/travellers"}


@pytest.mark.parametrize("body", ["", "taks=Short+task"])
def test_a_form_without_task_is_refused(api: Api, body: str) -> None:
    reply = api.send("/_run_task", body, FORM)
    assert reply.is_problem(400, "invalid-request")
    assert reply.errors == {"/task": "is required"}


def test_a_name_that_several_tasks_have_is_refused_with_their_full_names() -> None:
    catalog = Catalog((spec("a.run", "Run"), spec("b.run", "Run"), spec("c.walk", "run")))
    with pytest.raises(InvalidRequestError, match=r"a\.run, b\.run"):
        find_task(catalog, "Run")
    assert find_task(catalog, "b.run").name == "b.run"
    assert find_task(catalog, "run").name == "c.walk"
    assert find_task(catalog, "walk").name == "c.walk"
