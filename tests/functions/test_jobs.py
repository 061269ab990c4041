"""``/jobs``: status, list, log, stop and retry."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from coatcheck.job import Job, new_job_id
from tests.functions.client import Api, Reply
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

Pool = Callable[..., PoolProcess]


@pytest.fixture
def worker(start_pool: Pool) -> PoolProcess:
    """A real worker for the shipped tasks."""
    return start_pool(COATCHECK_TASKS="worker_image.tasks")


def ended(api: Api, reply: Reply) -> Reply:
    """The job's answer once it is over; until then each answer says when to ask again."""

    def check() -> Reply | None:
        now = api.get(reply.json["links"]["self"])
        over = now.json["ended_at"] is not None
        assert over != ("retry-after" in now.headers)
        return now if over else None

    return eventually(check)


def test_a_finished_job_has_its_result(api: Api, worker: PoolProcess) -> None:
    reply = ended(api, api.post("/tasks/examples.plan_trip", {"start": {"city": "Oslo"}, "travellers": 2}))
    job = reply.json
    assert job["status"] == "finished", job
    assert job["result"] == {"travellers": 2, "nights": 1, "route": ["Oslo"], "leaves": None, "price": 180.0}
    assert job["error"] is None
    assert job["progress"] == {"fraction": 1.0, "message": "Oslo"}
    assert job["attempt"] == 1 and job["worker"]
    assert job["created_at"] <= job["enqueued_at"] <= job["started_at"] <= job["ended_at"]


def test_a_failed_job_has_its_error_and_can_be_run_again(api: Api, worker: PoolProcess) -> None:
    reply = ended(api, api.post("/tasks/examples.task_raises_error", {}))
    job = reply.json
    assert (job["status"], job["result"]) == ("failed", None)
    assert (job["error"]["type"], job["error"]["message"]) == ("ZeroDivisionError", "division by zero")
    assert job["error"]["traceback"].startswith("Traceback")

    [summary] = api.get("/jobs?status=failed").json["jobs"]
    assert summary["error"] == {"type": "ZeroDivisionError", "message": "division by zero"}
    assert "arguments" not in summary and "result" not in summary

    again = api.post(job["links"]["retry"])
    assert again.status == 202 and again.headers["location"] == job["links"]["self"]
    assert again.headers["retry-after"] == "1"
    assert again.json["error"] is None
    assert ended(api, again).json["attempt"] == 2


def test_a_log_is_read_piece_by_piece(api: Api, worker: PoolProcess) -> None:
    reply = api.post("/tasks/examples.count_slowly", {"to": 3, "pause": 0.3})
    address = reply.json["links"]["log"]
    text, cursor, over = "", "", False
    while not over:
        page = api.get(f"{address}?after={cursor}" if cursor else address)
        text, cursor, over = text + page.json["text"], page.json["next"], page.json["ended"]
        assert over != ("retry-after" in page.headers)
        assert page.json["cut"] is False
    assert text == "1 of 3\n2 of 3\n3 of 3\n"
    assert api.get(f"{address}?after={cursor}").json["text"] == ""


def test_a_running_job_is_stopped(api: Api, worker: PoolProcess) -> None:
    reply = api.post("/tasks/examples.count_slowly", {"to": 100, "pause": 1})
    address = reply.json["links"]["self"]
    eventually(lambda: api.get(address).json["status"] == "started")
    stop = api.delete(address)
    assert stop.status == 202
    assert stop.json["stop_requested"] or stop.json["status"] == "stopped"  # its worker may be as fast
    assert ended(api, reply).json["status"] == "stopped"


def test_given_the_etag_of_a_job_then_304_until_it_changes(api: Api) -> None:
    address = api.post("/tasks/examples.short_task", {}).headers["location"]
    etag = api.get(address).headers["etag"]
    same = api.get(address, if_none_match=etag)
    assert (same.status, same.body, same.headers["retry-after"]) == (304, "", "1")
    assert same.headers["cache-control"] == "no-store"
    api.delete(address)
    changed = api.get(address, if_none_match=etag)
    assert changed.status == 200 and changed.json["status"] == "canceled"


def test_a_waiting_job_is_canceled_and_then_run_again(api: Api) -> None:
    reply = api.post("/tasks/examples.short_task", {})
    address = reply.headers["location"]
    canceled = api.delete(address)
    assert (canceled.status, canceled.json["status"]) == (202, "canceled")
    assert "retry-after" not in canceled.headers
    assert api.post(f"{address}/retry").json["status"] == "queued"


def test_what_is_over_can_t_be_stopped_and_what_waits_can_t_be_retried(api: Api) -> None:
    address = api.post("/tasks/examples.short_task", {}).headers["location"]
    assert api.post(f"{address}/retry").is_problem(409, "conflict")
    api.delete(address)
    assert api.delete(address).is_problem(409, "conflict")


@pytest.mark.parametrize("job_id", ["0" * 36, "x", "0" * 37, "..%2F..", "%00", "I" * 36, "{id}"])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/retry"), ("GET", "/log")]
)
def test_an_unknown_or_malformed_id_is_a_404(api: Api, job_id: str, method: str, path: str) -> None:
    assert api.request(method, f"/jobs/{job_id}{path}").is_problem(404, "unknown-job")


@pytest.fixture
def submit_in_turn(submit: Callable[..., Job]) -> Callable[..., str]:
    """Submits one job, a second after the one before by its id, which sorts by time; returns the id."""
    seconds = count(1_700_000_000)

    def submit_next(task: str, **options: str) -> str:
        return submit(task, id=new_job_id(next(seconds)), **options).id

    return submit_next


def test_the_list_has_the_newest_first_page_by_page(api: Api, submit_in_turn: Callable[..., str]) -> None:
    ids = [submit_in_turn("examples.short_task") for _ in range(5)]
    first = api.get("/jobs?limit=3").json
    assert [job["id"] for job in first["jobs"]] == ids[:1:-1]
    second = api.get(f"/jobs?limit=3&cursor={first['next']}").json
    assert [job["id"] for job in second["jobs"]] == ids[1::-1]
    assert second["next"] is None
    assert not {"arguments", "result"} & set(second["jobs"][0])


def test_the_list_is_filtered_by_status_queue_and_task(api: Api, submit_in_turn: Callable[..., str]) -> None:
    short = submit_in_turn("examples.short_task")
    other = submit_in_turn("examples.short_task", queue="other")
    long = submit_in_turn("examples.long_task")
    api.delete(f"/jobs/{long}")

    def ids(query: str) -> list[str]:
        return [job["id"] for job in api.get(f"/jobs?{query}").json["jobs"]]

    assert ids("status=queued") == [other, short]
    assert ids("status=canceled") == [long]
    assert ids("queue=other") == [other]
    assert ids("task=examples.long_task") == [long]
    assert ids("task=examples.short_task&queue=default&status=queued") == [short]
    assert ids("task=nothing") == ids("queue=nothing") == []


def test_the_list_of_a_batch_leads_through_all_of_its_jobs(api: Api) -> None:
    entries = [{"task": "examples.short_task", "delay": delay} for delay in (0, 60, 60)]
    _, reply, _ = (api.post("/jobs", {"jobs": entries}) for _ in range(3))
    address = api.get(reply.json["batch"]["links"]["self"]).json["links"]["jobs"]
    first = api.get(f"{address}&limit=2").json
    second = api.get(f"{address}&limit=2&cursor={first['next']}").json
    jobs = [job["id"] for job in reply.json["jobs"]]
    assert [job["id"] for job in (*first["jobs"], *second["jobs"])] == jobs[::-1]
    assert second["next"] is None
    assert [job["id"] for job in api.get(f"{address}&status=queued").json["jobs"]] == jobs[:1]
    assert api.get(f"/jobs?batch={'0' * 36}").is_problem(404, "unknown-batch")


@pytest.mark.parametrize(
    ("query", "pointers"),
    [
        ("status=done", {"?status"}),
        ("status=", {"?status"}),
        ("queue=a:b", {"?queue"}),
        ("batch=", {"?batch"}),
        ("batch=x", {"?batch"}),
        ("limit=0", {"?limit"}),
        ("limit=201", {"?limit"}),
        ("limit=many", {"?limit"}),
        ("limit=²", {"?limit"}),
        ("limit=-1&status=x&queue=", {"?limit", "?status", "?queue"}),
        ("cursor=x", set()),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(api: Api, query: str, pointers: set[str]) -> None:
    reply = api.get(f"/jobs?{query}")
    assert reply.is_problem(400, "invalid-request")
    assert set(reply.errors) == pointers


def test_a_log_cursor_that_makes_no_sense_is_refused(api: Api) -> None:
    address = api.post("/tasks/examples.short_task", {}).json["links"]["log"]
    assert api.get(f"{address}?after=x").is_problem(400, "invalid-request")


def test_the_queues_tell_depth_and_workers(api: Api, submit: Callable[..., Job], worker: PoolProcess) -> None:
    submit("examples.short_task", queue="other")
    default = eventually(lambda: next((q for q in api.get("/queues").json["queues"] if q["workers"]), None))
    queues = {queue["name"]: queue for queue in api.get("/queues").json["queues"]}
    assert list(queues) == ["default", "other", "reports"]
    assert set(default["workers"][0]) == {
        "name", "state", "job", "hostname", "pid", "version", "started_at", "last_heartbeat"
    }  # fmt: skip
    assert set(queues["reports"]["counts"].values()) == {0}
    assert queues["reports"]["oldest_wait"] is None


def test_a_queue_without_worker_counts_what_waits(api: Api, submit: Callable[..., Job]) -> None:
    submit("examples.short_task")
    default = api.get("/queues").json["queues"][0]
    assert default["counts"]["queued"] == 1
    assert default["oldest_wait"] >= 0
    assert default["workers"] == []
