"""Tasks submit jobs: linked to their own, once, whatever dies in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from coatcheck import submit as submit_in_a_task
from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.errors import UnavailableError
from coatcheck.job import Job, JobStatus, Submission, is_job_id, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.settings import Settings, load
from infra.embedded import EmbeddedRedis
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

Submit = Callable[..., Job]
StartPool = Callable[..., PoolProcess]


@pytest.fixture
def finish(adapter: QueueAdapter, start_pool: StartPool, submit: Submit) -> Submit:
    """Starts a pool, submits a job and returns how it ended."""
    start_pool(COATCHECK_MAX_BODY="5000")
    return lambda task, arguments=None, **options: ended(adapter, submit(task, arguments, **options).id)


def ended(adapter: QueueAdapter, job_id: str) -> Job:
    def over() -> Job | None:
        try:
            now = adapter.get(job_id)
        except UnavailableError:
            return None
        return now if now.ended else None

    return eventually(over, seconds=60, what=f"{job_id} ends")


def test_a_child_is_linked_to_its_parent_and_runs(finish: Submit, adapter: QueueAdapter) -> None:
    parent = finish("family.one", owner="ann")
    assert parent.status is JobStatus.FINISHED, parent.error
    child = ended(adapter, parent.result)
    assert (child.task, child.result, child.parent, child.owner) == ("odd.add", 42, parent.id, "ann")
    assert parent.children == (child.id,) and parent.parent is None
    assert is_job_id(child.id) and child.batch is None


def test_options_of_a_child(finish: Submit, adapter: QueueAdapter) -> None:
    parent = finish("family.one", {"queue": "other", "delay": 3600})
    child = adapter.get(parent.result)
    assert (child.queue, child.status) == ("other", JobStatus.SCHEDULED)
    assert child.scheduled_for and (child.scheduled_for - child.created_at).total_seconds() > 3500


def test_children_wait_for_each_other_and_take_results(finish: Submit, adapter: QueueAdapter) -> None:
    parent = finish("family.chain", {"if_failed": "run"})
    assert parent.status is JobStatus.FINISHED, parent.error
    first, second, last = (ended(adapter, job_id) for job_id in parent.result)
    assert second.after == (first.id,) and second.result == 42
    assert last.after == (second.id,) and last.if_failed == "run" and last.result == "last"
    assert set(parent.children) == {first.id, second.id, last.id}


MISSING = new_job_id()


@pytest.mark.parametrize(
    ("name", "order", "kind", "pointers"),
    [
        ("odd.nothing", {"arguments": {}}, "UnknownTaskError", []),
        ("_callbacks.deliver", {"arguments": {}}, "UnknownTaskError", []),
        (5, {"arguments": {}}, "UnknownTaskError", []),
        ("odd.add", {"arguments": {"left": "x", "more": 1}}, "InvalidArgumentsError", ["/left", "/more"]),
        ("odd.add", {"arguments": {"left": {"$result": 5}}}, "InvalidArgumentsError", ["/left/$result"]),
        (
            "odd.add",
            {"arguments": {"left": {"$result": MISSING}, "right": "x"}},
            "InvalidArgumentsError",
            ["/right"],
        ),
        ("odd.add", {"arguments": {"left": {"$result": MISSING}}}, "InvalidArgumentsError", ["/after"]),
        ("odd.add", {"arguments": {"left": 1}, "after": [MISSING]}, "InvalidArgumentsError", ["/after"]),
        ("odd.add", {"arguments": {"left": 1}, "after": ["first"]}, "ValueError", []),
        ("odd.add", {"arguments": {"left": 1}, "queue": "nobody's"}, "ValueError", []),
        ("odd.add", {"arguments": {"left": 1}, "if_failed": "retry"}, "ValueError", []),
        ("odd.echo", {"arguments": {"value": "x" * 5000}}, "PayloadTooLargeError", []),
    ],
)
def test_what_makes_no_sense_is_raised_in_the_task(
    finish: Submit, adapter: QueueAdapter, name: Any, order: dict[str, Any], kind: str, pointers: list[str]
) -> None:
    parent = finish("family.attempt", {"order": order, "name": name})
    assert parent.status is JobStatus.FINISHED, parent.error
    assert parent.result and [parent.result[0], sorted(parent.result[2])] == [kind, pointers], parent.result
    assert [job.id for job in adapter.list().jobs] == [parent.id] and parent.children == ()


def test_what_is_no_json_is_no_argument(finish: Submit) -> None:
    assert finish("family.attempt_what_is_no_json").result == "invalid-arguments"


def test_a_limit_is_raised_in_the_task(start_pool: StartPool, submit: Submit, adapter: QueueAdapter) -> None:
    for _ in range(2):
        submit("odd.echo", {"value": 1}, queue="other", at=utcnow() + timedelta(hours=1))
    start_pool(COATCHECK_MAX_QUEUED="2")
    order = {"arguments": {"left": 1}, "queue": "other"}
    parent = ended(adapter, submit("family.attempt", {"order": order}).id)
    assert parent.result[0] == "QueueFullError", parent.result


def test_children_that_do_not_differ_are_as_many_as_were_submitted(
    finish: Submit, adapter: QueueAdapter
) -> None:
    parent = finish("family.alike", {"count": 3})
    assert len(set(parent.result)) == 3 and list(parent.children) == parent.result


def test_threads_may_submit(finish: Submit) -> None:
    parent = finish("family.crowd", {"count": 20})
    assert len(set(parent.result)) == 20 and set(parent.children) == set(parent.result)


def test_async_tasks_may_submit(start_pool: StartPool, submit: Submit, adapter: QueueAdapter) -> None:
    start_pool(WORKER_CONCURRENCY="10")
    parents = [ended(adapter, submit("family.gathered", {"count": 5}).id) for _ in range(2)]
    for parent in parents:
        assert parent.status is JobStatus.FINISHED, parent.error
        assert len(set(parent.result)) == 6 and set(parent.children) == set(parent.result)
    assert not set(parents[0].result) & set(parents[1].result)


def test_a_process_of_the_task_s_own_is_told_that_it_can_t(finish: Submit) -> None:
    assert finish("family.in_a_process").result[0] == "RuntimeError"


def test_outside_of_a_worker_it_is_told_that_it_does_not_work() -> None:
    with pytest.raises(RuntimeError, match="in a task that a worker runs"):
        submit_in_a_task("odd.add", {"left": 1})


def test_given_kills_in_between_then_each_child_is_there_once(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    job = submit("family.reckless", {"journal": str(tmp_path / "journal"), "children": 9}, retries=5)
    parent = ended(adapter, job.id)
    assert parent.status is JobStatus.FINISHED, parent.error
    assert len((tmp_path / "journal").read_text().splitlines()) == 3
    assert len(set(parent.result)) == 9 and set(parent.children) == set(parent.result)
    children = [ended(adapter, child) for child in parent.result]
    assert [child.result for child in children] == list(range(9))
    assert len(adapter.list(limit=100).jobs) == 10


def test_a_task_that_is_retried_gets_the_same_children(
    finish: Submit, adapter: QueueAdapter, client: redis.Redis, keys: Keys
) -> None:
    parent = finish("family.alike", {"count": 2})
    assert parent.status is JobStatus.FINISHED, parent.error
    client.hset(keys.job(parent.id), "status", "failed")
    adapter.retry(parent.id)
    again = ended(adapter, parent.id)
    assert (again.attempt, again.result, again.children) == (2, parent.result, parent.children)


@pytest.fixture
def with_files(settings: Settings, client: redis.Redis, tmp_path: Path) -> QueueAdapter:
    """An adapter where files are kept in a folder."""
    return QueueAdapter(client, replace(settings, files=f"file://{tmp_path / 'files'}"))


def test_children_are_given_files(with_files: QueueAdapter, start_pool: StartPool, tmp_path: Path) -> None:
    start_pool(COATCHECK_FILES=f"file://{tmp_path / 'files'}")
    [first] = with_files.submit([Submission("family.make_file", {}, "default", 60, 600)])
    table = {"table": {"$result": first.id}}
    [job] = with_files.submit([Submission("family.hand_on", table, "default", 60, 600, after=(first.id,))])
    parent = ended(with_files, job.id)
    assert parent.status is JobStatus.FINISHED, parent.error
    children = [ended(with_files, child) for child in parent.result]
    assert [child.result for child in children] == ["returned", "made", "returned"], children


def test_a_child_with_a_file_is_the_same_in_the_next_run(
    with_files: QueueAdapter, start_pool: StartPool, tmp_path: Path
) -> None:
    start_pool(COATCHECK_FILES=f"file://{tmp_path / 'files'}")
    arguments = {"journal": str(tmp_path / "journal")}
    [job] = with_files.submit([Submission("family.hand_on_twice", arguments, "default", 60, 600, retries=1)])
    parent = ended(with_files, job.id)
    assert (parent.status, parent.attempt) == (JobStatus.FINISHED, 2), parent.error
    assert parent.children == (parent.result,)
    assert ended(with_files, parent.result).result == "same"


def test_while_redis_is_away_the_task_waits(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "redis") as server:
        settings = load({"REDIS_URL": server.url})
        adapter = QueueAdapter(connect(settings), settings)
        with PoolProcess(settings, tmp_path / "pool.log", WORKER_LEASE="3") as pool:
            arguments = {"path": str(tmp_path / "go")}
            [job] = adapter.submit([Submission("family.one_later", arguments, "default", 60, 600)])
            eventually(lambda: adapter.get(job.id).status is JobStatus.STARTED, what="it runs")
            server.stop()
            (tmp_path / "go").touch()
            eventually(lambda: "its child waits" in pool.text(), what="the child waits")
            server.start()
            parent = ended(adapter, job.id)
            assert (parent.status, parent.attempt) == (JobStatus.FINISHED, 1), parent.error
            assert ended(adapter, parent.result).result == 42 and parent.children == (parent.result,)
