"""What becomes of jobs that real workers run."""

from __future__ import annotations

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
def finish(adapter: QueueAdapter, start_pool: StartPool, submit: Submit) -> Submit:
    """Starts a pool, submits a job and returns how it ended."""
    start_pool(COATCHECK_MAX_RESULT="2000", COATCHECK_MAX_LOG="2000", WORKER_UNKNOWN_TASK_WAIT="0")

    def finish(task: str, arguments: dict[str, object] | None = None, **options: object) -> Job:
        return ended(adapter, submit(task, arguments, **options))

    return finish


def ended(adapter: QueueAdapter, job: Job) -> Job:
    def over() -> Job | None:
        now = adapter.get(job.id)
        return now if now.ended else None

    return eventually(over, what=f"{job.task} ends")


def test_a_result_a_time_and_a_worker_are_kept(finish: Submit, adapter: QueueAdapter) -> None:
    job = finish("odd.add", {"left": 40})
    assert (job.status, job.result, job.attempt, job.error) == (JobStatus.FINISHED, 42, 1, None)
    assert job.enqueued_at and job.started_at and job.ended_at
    assert job.created_at <= job.started_at <= job.ended_at
    (queue,) = adapter.queues(["default"])
    assert job.worker == queue.workers[0].name
    assert queue.counts["finished"] == 1 and queue.counts["started"] == 0


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1, 2.5, None, "ü"]}, True, 2**60])
def test_results_come_back_as_they_were(finish: Submit, value: object) -> None:
    assert finish("odd.echo", {"value": value}).result == value


def test_numbers_that_json_lacks_become_null(finish: Submit) -> None:
    assert finish("odd.not_a_number").result == [1.5, None, None]


def test_rich_arguments_reach_the_task_with_their_types(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    start_pool(COATCHECK_TASKS="worker_image.tasks")
    arguments = {
        "start": {"city": "Rome", "nights": 2},
        "travellers": 2,
        "comfort": "grand",
        "leaves": "2026-12-24",
        "further_stops": [{"city": "Bari"}],
    }
    job = ended(adapter, submit("examples.plan_trip", arguments))
    assert job.result == {
        "travellers": 2, "nights": 3, "route": ["Rome", "Bari"], "leaves": "2026-12-24", "price": 1440.0
    }  # fmt: skip
    assert job.progress and job.progress.fraction == 1.0


def test_an_error_keeps_its_traceback_from_the_task_on(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    start_pool(COATCHECK_TASKS="worker_image.tasks")
    job = ended(adapter, submit("examples.task_raises_error"))
    assert job.status is JobStatus.FAILED
    assert job.error and job.error.type == "ZeroDivisionError" and job.error.message == "division by zero"
    lines = (job.error.traceback or "").rstrip().splitlines()
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert "task_raises_error" in lines[1] and "runner.py" not in (job.error.traceback or "")


@pytest.mark.parametrize(
    ("task", "arguments", "kind", "message"),
    [
        ("odd.large", {"size": 2500}, "ResultError", "2,502 bytes"),
        ("odd.not_json", {}, "ResultError", "JSON"),
        ("odd.add", {"left": "many"}, "ArgumentsError", "/left"),
        ("odd.add", {"left": 1, "top": 2}, "ArgumentsError", "/top"),
        ("odd.missing", {}, "UnknownTask", "odd.missing"),
        ("odd.system_exit", {}, "SystemExit", "3"),
        ("odd.exit_at_once", {"status": 7}, "WorkerLost", "status 7"),
    ],
)
def test_what_goes_wrong_fails_the_job_with_a_clear_error(
    finish: Submit, task: str, arguments: dict[str, object], kind: str, message: str
) -> None:
    job = finish(task, arguments)
    assert job.status is JobStatus.FAILED
    assert job.error and job.error.type == kind
    assert message in job.error.message
    # Only what comes of the task's own lines has a place there.
    assert (job.error.traceback is not None) == (kind == "SystemExit")


def test_the_horse_serves_many_jobs_and_is_replaced_after_its_share(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    start_pool(WORKER_JOBS_PER_PROCESS="3")
    pids = [ended(adapter, submit("odd.which_process")).result for _ in range(6)]
    assert len(set(pids[:3])) == 1 and len(set(pids[3:])) == 1 and pids[0] != pids[3]


def test_a_dead_horse_does_not_keep_the_next_job_from_running(finish: Submit) -> None:
    assert finish("odd.exit_at_once", {"status": 1}).status is JobStatus.FAILED
    assert finish("odd.add", {"left": 1}).result == 3


def test_a_coroutine_is_awaited(finish: Submit) -> None:
    assert finish("odd.asynchronous", {"seconds": 0.01}).result == "awaited"


def test_all_that_a_task_prints_is_its_log_in_order(finish: Submit, adapter: QueueAdapter) -> None:
    job = finish("odd.talk", {"lines": 3})
    text = adapter.log(job.id).text
    assert text.startswith("out 0\nout 1\nout 2\nerr\n")
    assert "INFO task: logged\n" in text
    assert text.endswith("raw\nchild\nünï")


def test_a_log_beyond_the_limit_is_cut_and_says_so(finish: Submit, adapter: QueueAdapter) -> None:
    job = finish("odd.talk", {"lines": 1000})
    page = adapter.log(job.id)
    assert page.cut
    assert 0 < len(page.text.encode()) <= 2000
    assert page.text.endswith("raw\nchild\nünï"), "the newest is kept"
    assert not adapter.log(finish("odd.talk", {"lines": 1}).id).cut


def test_a_time_out_can_not_be_swallowed_by_except_exception(finish: Submit) -> None:
    job = finish("odd.swallow", timeout=1)
    assert job.status is JobStatus.FAILED
    assert job.error and job.error.type == "Timeout" and "1 s" in job.error.message
    assert "swallow" in (job.error.traceback or "")


def test_a_task_that_survives_its_time_out_is_killed(finish: Submit) -> None:
    job = finish("odd.stubborn", timeout=1)
    assert job.error and job.error.type == "Timeout"


def test_progress_and_log_are_live_and_a_stop_ends_the_task(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    job = submit("odd.wait_for", {"path": str(tmp_path / "never"), "journal": str(tmp_path / "journal")})
    progress = eventually(lambda: adapter.get(job.id).progress)
    assert (progress.fraction, progress.message) == (0.5, "waiting")
    assert adapter.get(job.id).status is JobStatus.STARTED
    assert eventually(lambda: adapter.log(job.id).text) == "waiting\n"
    asked = adapter.cancel(job.id)
    assert (
        asked.stop_requested or asked.status is JobStatus.STOPPED
    )  # its worker may be as fast as the answer
    stopped = ended(adapter, job)
    assert stopped.status is JobStatus.STOPPED
    assert stopped.error and stopped.error.type == "Stopped"


def test_a_stop_whose_message_was_lost_is_still_obeyed(
    start_pool: StartPool,
    submit: Submit,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    tmp_path: Path,
) -> None:
    start_pool()
    job = submit("odd.wait_for", {"path": str(tmp_path / "never"), "journal": str(tmp_path / "journal")})
    eventually(lambda: adapter.get(job.id).status is JobStatus.STARTED)
    client.hset(keys.job(job.id), "stop_requested", "1")
    assert ended(adapter, job).status is JobStatus.STOPPED


def test_retries_follow_their_delays_and_count_attempts(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    arguments = {"path": str(tmp_path / "journal"), "times": 2}
    job = submit("odd.fail_until", arguments, retries=2, retry_delays=(0, 1))
    eventually(lambda: adapter.get(job.id).status is JobStatus.SCHEDULED, what="the second retry waits")
    done = ended(adapter, job)
    assert (done.status, done.result, done.attempt, done.error) == (JobStatus.FINISHED, 3, 3, None)


def test_when_no_retry_is_left_the_last_error_stays(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    job = submit("odd.fail_until", {"path": str(tmp_path / "journal"), "times": 9}, retries=1)
    failed = ended(adapter, job)
    assert (failed.status, failed.attempt) == (JobStatus.FAILED, 2)
    assert failed.error and failed.error.message == "run 2 fails"


def test_a_retried_job_runs_again_and_forgets_its_error(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    job = submit("odd.fail_until", {"path": str(tmp_path / "journal"), "times": 1})
    assert ended(adapter, job).status is JobStatus.FAILED
    adapter.retry(job.id)
    again = ended(adapter, job)
    assert (again.status, again.result, again.error) == (JobStatus.FINISHED, 2, None)


def test_each_queue_has_its_own_worker(start_pool: StartPool, submit: Submit, adapter: QueueAdapter) -> None:
    start_pool()
    jobs = [submit("odd.on_other_queue", queue="other"), submit("odd.add", {"left": 1})]
    assert [ended(adapter, job).status for job in jobs] == [JobStatus.FINISHED] * 2
    names = {worker.name for queue in adapter.queues(["default", "other"]) for worker in queue.workers}
    assert len(names) == 2


def told(adapter: QueueAdapter, job: Job) -> Job | None:
    now = adapter.get(job.id)
    return now if now.progress else None


def test_a_job_that_no_worker_knows_waits_for_one_that_does_and_says_so(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    old = start_pool(COATCHECK_TASKS="worker_image.tasks")
    job = submit("odd.add", {"left": 1}, retries=0)
    waiting = eventually(lambda: told(adapter, job))
    assert waiting.progress and "no worker that knows odd.add" in waiting.progress.message
    assert (waiting.attempt, waiting.status) == (0, JobStatus.SCHEDULED)
    old.terminate()
    start_pool()
    assert ended(adapter, job).result == 3


def test_a_process_that_grew_beyond_its_limit_is_replaced(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    start_pool(WORKER_MEMORY_LIMIT="1")
    first, second = (ended(adapter, submit("odd.which_process")).result for _ in range(2))
    assert first != second
