"""Async tasks that share a process: each with its own time-out, stop, log and progress."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job, JobStatus
from coatcheck.keys import Keys
from tests.support.polling import eventually
from tests.support.processes import PoolProcess

Submit = Callable[..., Job]
StartPool = Callable[..., PoolProcess]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The arguments of a task that runs until the file ``path`` appears."""
    return {"path": str(tmp_path / "go"), "journal": str(tmp_path / "journal")}


def ended(adapter: QueueAdapter, job: Job) -> Job:
    def over() -> Job | None:
        now = adapter.get(job.id)
        return now if now.ended else None

    return eventually(over, seconds=60, what=f"{job.task} ends")


def told(adapter: QueueAdapter, job: Job) -> Job:
    """The job once it has told its progress."""

    def look() -> Job | None:
        now = adapter.get(job.id)
        return now if now.progress else None

    return eventually(look, seconds=60, what=f"{job.task} tells")


def runs(files: dict[str, str]) -> int:
    path = Path(files["journal"])
    return len(path.read_text().split()) if path.exists() else 0


def test_they_run_at_once_in_one_process(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    start_pool()
    jobs = [submit("odd.meet", {"name": "all", "count": 20}) for _ in range(20)]
    found = [ended(adapter, job) for job in jobs]
    assert [job.status for job in found] == [JobStatus.FINISHED] * 20
    assert len({job.result for job in found}) == 1


def test_no_more_run_at_once_than_the_settings_allow(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool(WORKER_CONCURRENCY="2")
    first, second, third = (submit("odd.await_file", files) for _ in range(3))
    told(adapter, first)
    told(adapter, second)
    assert adapter.get(third.id).status is JobStatus.QUEUED
    Path(files["path"]).touch()
    assert ended(adapter, third).status is JobStatus.FINISHED


def test_one_after_another_where_the_settings_say_so(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    start_pool(WORKER_CONCURRENCY="1")
    job = submit("odd.asynchronous", {"seconds": 0.01})
    assert ended(adapter, job).result == "awaited"
    alone = submit("odd.meet", {"name": "two", "count": 2}, timeout=1)
    assert ended(adapter, alone).status is JobStatus.FAILED


def test_each_has_its_own_log_and_progress(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool()
    jobs = [submit("odd.await_file", files | {"message": f"number {number}"}) for number in range(3)]
    for number, job in enumerate(jobs):
        progress = told(adapter, job).progress
        assert progress is not None and progress.message == f"number {number}"
    Path(files["path"]).touch()
    for number, job in enumerate(jobs):
        ended(adapter, job)
        first, second = adapter.log(job.id).text.splitlines()
        assert first == f"number {number}" and second.endswith(f"INFO task: logged number {number}")
    thread = submit("odd.say_in_thread")
    ended(adapter, thread)
    assert adapter.log(thread.id).text == "from a thread\n"


def test_a_plain_task_runs_beside_them(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool()
    waits = submit("odd.await_file", files)
    told(adapter, waits)
    plain = ended(adapter, submit("odd.which_process"))
    again = ended(adapter, submit("odd.which_process"))
    Path(files["path"]).touch()
    assert ended(adapter, waits).result not in (plain.result, again.result)
    assert plain.result == again.result


def test_a_time_out_and_a_stop_end_one_and_leave_the_others(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str], tmp_path: Path
) -> None:
    start_pool()
    never = files | {"path": str(tmp_path / "never")}
    other, slow, stopped = (
        submit("odd.await_file", files),
        submit("odd.await_file", never, timeout=1),
        submit("odd.await_file", never),
    )
    told(adapter, stopped)
    adapter.cancel(stopped.id)
    found = ended(adapter, stopped)
    assert found.status is JobStatus.STOPPED and found.error and found.error.type == "Stopped"
    late = ended(adapter, slow)
    assert late.status is JobStatus.FAILED and late.error
    assert (late.error.type, late.error.message) == (
        "Timeout",
        "the task ran longer than its time-out of 1 s",
    )
    assert "in await_file" in (late.error.traceback or "")
    Path(files["path"]).touch()
    done = ended(adapter, other)
    assert (done.status, done.attempt, done.interrupted) == (JobStatus.FINISHED, 1, 0)


@pytest.mark.parametrize("task", ["odd.stay", "odd.block"])
def test_one_that_outlives_its_time_out_is_killed_and_the_others_run_again(
    task: str,
    start_pool: StartPool,
    submit: Submit,
    adapter: QueueAdapter,
    files: dict[str, str],
    client: redis.Redis,
    keys: Keys,
) -> None:
    start_pool()
    other = submit("odd.await_file", files)
    told(adapter, other)
    bad = submit(task, {"journal": files["journal"]} if task == "odd.block" else {}, timeout=1)
    found = ended(adapter, bad)
    assert found.status is JobStatus.FAILED and found.error and found.error.type == "Timeout"
    Path(files["path"]).touch()
    done = ended(adapter, other)
    assert (done.status, done.attempt, done.interrupted) == (JobStatus.FINISHED, 1, 1)
    assert client.hget(keys.job(other.id), "lost") is None, "it is not to blame"


def test_when_their_process_dies_only_the_cause_fails(
    start_pool: StartPool,
    submit: Submit,
    adapter: QueueAdapter,
    files: dict[str, str],
    client: redis.Redis,
    keys: Keys,
) -> None:
    start_pool()
    others = [submit("odd.await_file", files) for _ in range(2)]
    once = submit("odd.await_once", files, retries=0)
    for job in (*others, once):
        told(adapter, job)
    cause = submit("odd.exit_beside", {"status": 7})
    failed = ended(adapter, once)
    assert failed.error and failed.error.type == "WorkerLost" and "only once" in failed.error.message
    eventually(lambda: adapter.get(cause.id).interrupted == 2, seconds=60, what="it is run again with others")
    assert client.hget(keys.job(cause.id), "lost") == b"2", "so it is run alone next"
    Path(files["path"]).touch()
    bad = ended(adapter, cause)
    assert bad.status is JobStatus.FAILED and bad.error
    assert (bad.error.type, bad.interrupted) == ("WorkerLost", 2)
    assert "status 7" in bad.error.message
    for job in others:
        done = ended(adapter, job)
        assert (done.status, done.attempt, done.interrupted) == (JobStatus.FINISHED, 1, 2)


def test_a_stopping_pool_gives_all_of_them_back(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    pool = start_pool(WORKER_STOP_TIMEOUT="1")
    jobs = [submit("odd.await_file", files) for _ in range(3)]
    for job in jobs:
        told(adapter, job)
    assert pool.terminate() == 0
    assert [adapter.get(job.id).status for job in jobs] == [JobStatus.QUEUED] * 3


def test_a_killed_worker_loses_none_of_them(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool()
    jobs = [submit("odd.await_file", files) for _ in range(3)]
    for job in jobs:
        told(adapter, job)
    (queue,) = adapter.queues(["default"])
    assert queue.workers[0].pid
    os.kill(queue.workers[0].pid, signal.SIGKILL)
    eventually(lambda: runs(files) == 6, seconds=60, what="all run again")
    Path(files["path"]).touch()
    for job in jobs:
        done = ended(adapter, job)
        assert (done.status, done.attempt, done.interrupted) == (JobStatus.FINISHED, 2, 1)


def test_what_a_task_left_in_the_event_loop_ends_with_it(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    assert ended(adapter, submit("odd.leave_a_task", {"path": str(tmp_path / "left")})).status == "finished"
    assert ended(adapter, submit("odd.asynchronous", {"seconds": 1})).result == "awaited"
    assert not (tmp_path / "left").exists()


def test_their_process_is_replaced_after_its_share_and_the_last_run_may_end(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool(WORKER_JOBS_PER_PROCESS="2")
    waits = submit("odd.await_file", files)
    told(adapter, waits)
    first = ended(adapter, submit("odd.meet", {"name": "a", "count": 1})).result
    second = ended(adapter, submit("odd.meet", {"name": "b", "count": 1})).result
    Path(files["path"]).touch()
    assert ended(adapter, waits).result == first != second
