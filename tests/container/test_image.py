"""The worker's image: what it is, and how its containers live and die."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.job import Job, JobStatus, Submission
from coatcheck.keys import Keys
from tests.container.conftest import RedisServer
from tests.support.docker import BASE_IMAGE, Container, build_worker_image, docker
from tests.support.polling import eventually
from tests.support.processes import ROOT

Submit = Callable[..., Job]
StartWorker = Callable[..., Container]
WAIT = {"path": "/shared/go", "journal": "/shared/journal"}


def ended(adapter: QueueAdapter, job: Job) -> Job:
    def over() -> Job | None:
        now = adapter.get(job.id)
        return now if now.ended else None

    return eventually(over, seconds=60, what=f"{job.task} ends")


def runs(shared: Path) -> int:
    journal = shared / "journal"
    return len(journal.read_text().splitlines()) if journal.exists() else 0


def test_our_layers_add_less_than_60_mb(image: str) -> None:
    size, base = (int(docker("inspect", "--format", "{{.Size}}", name)) for name in (image, BASE_IMAGE))
    added = (size - base) / 1e6
    print(f"the image has {size / 1e6:.0f} MB, {added:.0f} MB of them ours")
    assert added < 60


def test_the_image_says_what_it_is_and_runs_as_nobody_special(image: str) -> None:
    def config(field: str) -> str:
        return docker("inspect", "--format", f"{{{{json .Config.{field}}}}}", image).strip()

    assert config("User") == '"10001:10001"'
    assert config("StopSignal") == '"SIGTERM"'
    assert config("Entrypoint") == '["python","-m","worker_image"]'
    assert '"org.opencontainers.image.title":"Coatcheck worker"' in config("Labels")
    assert "worker_image.health" in config("Healthcheck")


def test_a_container_runs_jobs_on_a_read_only_file_system_and_is_healthy(
    start_worker: StartWorker, submit: Submit, adapter: QueueAdapter
) -> None:
    worker = start_worker()
    assert ended(adapter, submit("odd.add", {"left": 40})).result == 42
    assert worker.run("id", "-u").strip() == "10001"
    assert "Read-only" in docker("exec", worker.name, "touch", "/srv/file", check=False)
    eventually(lambda: worker.inspect("{{.State.Health.Status}}") == "healthy", seconds=90)


def test_a_stopped_container_gives_its_job_to_the_next_one(
    start_worker: StartWorker,
    submit: Submit,
    adapter: QueueAdapter,
    shared: Path,
    client: redis.Redis,
    keys: Keys,
) -> None:
    first = start_worker(WORKER_STOP_TIMEOUT="1")
    job = submit("odd.wait_for", WAIT)
    eventually(lambda: runs(shared) == 1)
    first.stop(20)
    assert first.inspect("{{.State.ExitCode}}") == "0"
    assert adapter.get(job.id).status is JobStatus.QUEUED
    (shared / "go").touch()
    start_worker()
    done = ended(adapter, job)
    assert (done.status, done.attempt, done.interrupted, runs(shared)) == (JobStatus.FINISHED, 1, 1, 2)
    assert client.xlen(keys.results(job.id)) == 1


def test_a_killed_containers_job_is_run_by_the_next_one(
    start_worker: StartWorker,
    submit: Submit,
    adapter: QueueAdapter,
    shared: Path,
    client: redis.Redis,
    keys: Keys,
) -> None:
    first = start_worker()
    job = submit("odd.wait_for", WAIT)
    eventually(lambda: runs(shared) == 1)
    first.kill()
    (shared / "go").touch()
    start_worker()
    done = ended(adapter, job)
    assert (done.status, done.interrupted) == (JobStatus.FINISHED, 1)
    assert client.xlen(keys.results(job.id)) == 1


def test_a_rolling_replacement_under_load_loses_no_job_and_runs_none_twice(
    start_worker: StartWorker, adapter: QueueAdapter, shared: Path
) -> None:
    arguments = {"journal": "/shared/journal", "seconds": 0.02}
    jobs = adapter.submit(
        [Submission("odd.note", {**arguments, "name": str(n)}, "default", 60, 600) for n in range(500)]
    )
    old = start_worker(WORKER_STOP_TIMEOUT="10")
    for _ in range(3):
        eventually(lambda: adapter.queues(["default"])[0].counts["finished"] > 0)
        new = start_worker(WORKER_STOP_TIMEOUT="10")
        old.stop(30)
        old = new
    for job in jobs:
        assert ended(adapter, job).status is JobStatus.FINISHED
    assert Counter(adapter.get(job.id).attempt for job in jobs) == {1: 500}
    assert Counter((shared / "journal").read_text().split()) == {str(n): 1 for n in range(500)}


def test_a_redis_that_restarts_under_load_loses_nothing(
    start_worker: StartWorker, adapter: QueueAdapter, redis_server: RedisServer, shared: Path
) -> None:
    start_worker(WORKER_LEASE="30")
    arguments = {"journal": "/shared/journal", "seconds": 0.01}
    accepted: list[Job] = []
    for number in range(300):
        if number == 100:
            redis_server.container.restart()
        submission = Submission("odd.note", {**arguments, "name": str(number)}, "default", 60, 600)
        try:
            accepted += adapter.submit([submission])
        except Exception:
            time.sleep(0.2)
    assert len(accepted) > 150
    for job in accepted:
        assert ended(adapter, job).status is JobStatus.FINISHED
    names = set((shared / "journal").read_text().split())
    assert names >= {str(job.arguments["name"]) for job in accepted}


def test_a_faulty_task_fails_the_build_and_is_named(image: str, tmp_path: Path) -> None:
    for name in ("coatcheck", "worker_image", ".dockerignore"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    (tmp_path / "worker_image/tasks/broken.py").write_text("def work(size): ...\n")
    with pytest.raises(AssertionError) as caught:
        build_worker_image("coatcheck-worker-test:broken", tmp_path)
    assert "worker_image/tasks/broken.py:1: function work, argument size: has no type annotation" in str(
        caught.value
    )


def test_a_wrong_password_ends_the_container_with_one_clear_line(
    start_worker: StartWorker, redis_server: RedisServer
) -> None:
    url = redis_server.inner_url.replace("redis://", "redis://nobody:secret@")
    worker = start_worker(REDIS_URL=url)
    assert worker.wait() == 78
    (line,) = worker.logs().splitlines()
    assert "Redis refuses the log-in" in line
    assert "secret" not in line


def test_the_first_process_buries_what_tasks_leave_behind(
    start_worker: StartWorker, submit: Submit, adapter: QueueAdapter
) -> None:
    worker = start_worker()
    assert ended(adapter, submit("odd.leave_a_child", {})).status is JobStatus.FINISHED
    states = "cat /proc/[0-9]*/stat | cut -d' ' -f3 | grep -c Z || true"
    eventually(lambda: worker.run("sh", "-c", states).strip() == "0", what="no zombie is left")
