"""Workers, work-horses, pools and Redis die in the middle; no job is lost, none stays started for ever."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.job import Job, JobStatus, Submission, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings, load
from infra.embedded import EmbeddedRedis
from tests.support.polling import eventually
from tests.support.processes import PoolProcess
from worker_image.janitor import Janitor

Submit = Callable[..., Job]
StartPool = Callable[..., PoolProcess]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The arguments of a task that runs until the file ``path`` appears."""
    return {"path": str(tmp_path / "go"), "journal": str(tmp_path / "journal")}


def runs(files: dict[str, str]) -> list[int]:
    path = Path(files["journal"])
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def status_is(adapter: QueueAdapter, job: Job, *statuses: JobStatus) -> Job:
    def reached() -> Job | None:
        now = adapter.get(job.id)
        return now if now.status in statuses else None

    return eventually(reached, seconds=60, what=f"the job is {statuses}")


def worker_pid(adapter: QueueAdapter) -> int:
    (queue,) = adapter.queues(["default"])
    pid = queue.workers[0].pid
    assert pid is not None
    return pid


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def test_a_job_whose_worker_is_killed_runs_again(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool()
    job = submit("odd.wait_for", files)
    eventually(lambda: runs(files))
    os.kill(worker_pid(adapter), signal.SIGKILL)
    eventually(lambda: gone(runs(files)[0]), what="the work-horse follows its worker")
    eventually(lambda: len(runs(files)) == 2, what="the job runs again")
    Path(files["path"]).touch()
    done = status_is(adapter, job, JobStatus.FINISHED)
    assert (done.attempt, done.interrupted) == (2, 1)


def test_a_job_that_may_run_only_once_fails_when_its_worker_is_killed(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool()
    job = submit("odd.wait_once", files, retries=0)
    eventually(lambda: runs(files))
    os.kill(worker_pid(adapter), signal.SIGKILL)
    failed = status_is(adapter, job, JobStatus.FAILED)
    assert failed.error and failed.error.type == "WorkerLost"
    assert "only once" in failed.error.message
    assert len(runs(files)) == 1


def test_a_job_that_kills_each_of_its_workers_is_failed_after_three(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool()
    job = submit("odd.kill_worker", {"journal": files["journal"]})
    failed = status_is(adapter, job, JobStatus.FAILED)
    assert failed.error and failed.error.type == "WorkerLost" and "3 times" in failed.error.message
    history = re.findall(r"[\w.-]+ \(20[^)]*Z\)", failed.error.message)
    assert len(set(history)) == 3, "each worker that it lost, and when"
    assert (failed.interrupted, len(runs(files))) == (3, 3)


def test_a_killed_work_horse_fails_the_job_with_the_signals_name(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool()
    failed = status_is(adapter, submit("odd.kill_itself", {"journal": files["journal"]}), JobStatus.FAILED)
    assert failed.error and "SIGKILL" in failed.error.message


def test_a_pool_that_is_killed_takes_its_workers_with_it(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    pool = start_pool()
    job = submit("odd.wait_for", files)
    horse = eventually(lambda: runs(files))[0]
    worker = worker_pid(adapter)
    pool.process.kill()
    eventually(lambda: gone(worker) and gone(horse), what="worker and work-horse end")
    start_pool()
    Path(files["path"]).touch()
    status_is(adapter, job, JobStatus.FINISHED)


def test_a_stopping_pool_puts_what_runs_back_at_the_head_of_the_queue(
    start_pool: StartPool,
    submit: Submit,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    files: dict[str, str],
) -> None:
    pool = start_pool()
    job = submit("odd.wait_for", files)
    waiting = submit("odd.add", {"left": 1})
    eventually(lambda: runs(files))
    assert pool.terminate() == 0
    now = adapter.get(job.id)
    assert (now.status, now.attempt, now.interrupted) == (JobStatus.QUEUED, 0, 1)
    assert client.lrange(keys.queue("default"), 0, -1) == [job.id.encode(), waiting.id.encode()]
    assert adapter.queues(["default"])[0].workers == []
    assert gone(runs(files)[0])


def test_a_stopping_pool_lets_a_short_job_finish(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    pool = start_pool(WORKER_STOP_TIMEOUT="30")
    job = submit("odd.wait_for", files)
    behind = submit("odd.add", {"left": 1})
    eventually(lambda: runs(files))
    pool.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    Path(files["path"]).touch()
    assert pool.process.wait(20) == 0
    assert adapter.get(job.id).status is JobStatus.FINISHED
    assert adapter.get(behind.id).status is JobStatus.QUEUED


def test_a_second_signal_stops_at_once(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    pool = start_pool(WORKER_STOP_TIMEOUT="3000")
    job = submit("odd.wait_for", files)
    eventually(lambda: runs(files))
    pool.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    pool.process.send_signal(signal.SIGTERM)
    assert pool.process.wait(20) == 0
    assert adapter.get(job.id).status is JobStatus.QUEUED


def test_a_job_that_may_run_only_once_is_not_put_back(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    pool = start_pool()
    job = submit("odd.wait_once", files, retries=0)
    eventually(lambda: runs(files))
    pool.terminate()
    failed = adapter.get(job.id)
    assert failed.status is JobStatus.FAILED
    assert failed.error and "stopped" in failed.error.message


def test_a_job_that_was_taken_and_never_begun_is_put_back(
    submit: Submit, adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    job = submit("odd.add", {"left": 1})
    client.lmove(keys.queue("default"), keys.intermediate("default"), "LEFT", "RIGHT")
    janitor = Janitor(client, settings, ["default"])
    janitor.tick()
    assert client.llen(keys.queue("default")) == 0, "a worker has some seconds to begin it"
    client.hset(keys.job(job.id), "taken_at", f"{time.time() - 11:.6f}")
    janitor.tick()
    assert client.lrange(keys.queue("default"), 0, -1) == [job.id.encode()]
    assert client.llen(keys.intermediate("default")) == 0
    assert adapter.get(job.id).status is JobStatus.QUEUED


def test_a_lease_that_is_no_started_jobs_ends_and_changes_no_job(
    submit: Submit, adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    waiting, running = submit("odd.add", {"left": 1}), submit("odd.add", {"left": 1})
    client.lmove(keys.queue("default"), keys.intermediate("default"), "RIGHT", "RIGHT")
    begin = [keys.job(running.id), keys.intermediate("default"), keys.leases]
    assert Scripts(client, settings.prefix).run("begin", begin, running.id, "default", "w", "own", 60)
    janitor = Janitor(client, settings, ["default"])
    janitor.tick()
    members = (f"{waiting.id}:run", f"{running.id}:other", f"{new_job_id()}:run", "no-member-of-ours")
    client.zadd(keys.leases, dict.fromkeys(members, 1))
    client.zadd(keys.registry("wip", "default"), {members[0]: float("inf")})
    assert janitor.tick() == []
    assert client.zrange(keys.leases, 0, -1) == [f"{running.id}:own".encode()]
    assert client.zrange(keys.registry("wip", "default"), 0, -1) == [f"{running.id}:own".encode()]
    assert adapter.get(waiting.id).status is JobStatus.QUEUED
    assert adapter.get(running.id).status is JobStatus.STARTED


def test_delayed_jobs_move_on_when_they_are_due(
    submit: Submit, adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    due = submit("odd.add", {"left": 1}, at=utcnow() - timedelta(seconds=1))
    later = submit("odd.add", {"left": 1}, at=utcnow() + timedelta(hours=1))
    Janitor(client, settings, ["default"]).tick()
    assert client.lrange(keys.queue("default"), 0, -1) == [due.id.encode()]
    assert adapter.get(due.id).status is JobStatus.QUEUED
    assert adapter.get(later.id).status is JobStatus.SCHEDULED


def test_the_janitor_drops_what_has_expired(
    submit: Submit, adapter: QueueAdapter, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    gone_job, kept = submit("odd.add", {"left": 1}), submit("odd.add", {"left": 1})
    client.delete(keys.job(gone_job.id))
    client.zadd(
        keys.registry("finished", "default"), {gone_job.id: time.time() - 1, kept.id: time.time() + 60}
    )
    client.sadd(keys.workers, keys.worker("dead"))
    client.sadd(keys.workers_of("default"), keys.worker("dead"))
    Janitor(client, settings, ["default"]).tick()
    assert client.zrange(keys.registry("finished", "default"), 0, -1) == [kept.id.encode()]
    assert client.zrange(keys.index, 0, -1) == [kept.id.encode()]
    assert client.scard(keys.workers) == client.scard(keys.workers_of("default")) == 0


def test_a_worker_that_was_given_up_can_not_overwrite_the_newer_run(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, files: dict[str, str]
) -> None:
    start_pool()
    job = submit("odd.wait_for", files)
    eventually(lambda: runs(files))
    slow = worker_pid(adapter)
    os.kill(slow, signal.SIGSTOP)
    try:
        start_pool()
        eventually(lambda: len(runs(files)) == 2, seconds=60, what="another worker runs the job again")
        first = adapter.get(job.id)
        os.kill(slow, signal.SIGCONT)
        eventually(lambda: gone(runs(files)[0]), what="the late worker drops its run")
        assert adapter.get(job.id).worker == first.worker
        Path(files["path"]).touch()
        done = status_is(adapter, job, JobStatus.FINISHED)
        assert (done.worker, done.attempt) == (first.worker, 2)
    finally:
        os.kill(slow, signal.SIGCONT)


def test_workers_wait_for_redis_and_the_running_task_survives_it(
    tmp_path: Path, settings: Settings, files: dict[str, str]
) -> None:
    folder = tmp_path / "redis"
    server = EmbeddedRedis(folder)
    server.start()
    own = load({"REDIS_URL": server.url, "COATCHECK_NAMESPACE": settings.namespace})
    adapter = QueueAdapter(connect(own), own)
    try:
        with PoolProcess(own, tmp_path / "pool.log", WORKER_LEASE="20"):
            job = adapter.submit([Submission("odd.wait_for", dict(files), "default", 60, 600)])[0]
            eventually(lambda: runs(files))
            server.stop()
            Path(files["path"]).touch()
            time.sleep(2)
            server = EmbeddedRedis(folder)
            server.start()
            done = status_is(adapter, job, JobStatus.FINISHED)
            assert (done.result, done.attempt, len(runs(files))) == ("seen", 1, 1)
            second = adapter.submit([Submission("odd.add", {"left": 1}, "default", 60, 600)])[0]
            assert status_is(adapter, second, JobStatus.FINISHED).result == 3
    finally:
        server.stop()


def test_a_redis_that_hangs_for_a_while_neither_loses_nor_repeats_a_line_of_the_log(
    tmp_path: Path, settings: Settings
) -> None:
    with EmbeddedRedis(tmp_path / "redis") as server:
        own = load({"REDIS_URL": server.url, "COATCHECK_NAMESPACE": settings.namespace})
        with connect(own) as client, PoolProcess(own, tmp_path / "pool.log", WORKER_LEASE="30"):
            adapter = QueueAdapter(client, own)
            (job,) = adapter.submit([Submission("odd.count", {"to": 80, "pause": 0.05}, "default", 60, 600)])
            eventually(lambda: adapter.log(job.id).text)
            os.kill(server.pid, signal.SIGSTOP)
            time.sleep(5)  # longer than the task still runs, and than two time-outs
            os.kill(server.pid, signal.SIGCONT)
            status_is(adapter, job, JobStatus.FINISHED)
            assert adapter.log(job.id).text.split() == [str(number) for number in range(80)]


def test_a_faulty_task_ends_the_pool_with_one_clear_error(start_pool: StartPool) -> None:
    pool = start_pool(COATCHECK_TASKS="tests.support.no_such_package")
    assert pool.process.wait(30) == 78
    assert "no_such_package" in pool.text()


def test_a_wrong_setting_ends_the_pool_with_one_clear_error(start_pool: StartPool) -> None:
    pool = start_pool(WORKER_LEASE="soon")
    assert pool.process.wait(30) == 78
    assert (
        pool.text().strip() == "WORKER_LEASE='soon' is not valid; it should be a whole number from 2 to 600"
    )
