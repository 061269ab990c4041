"""The access string of the template's Redis user, on real servers: all we do is allowed, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.doctor import examine, repair
from coatcheck.errors import ConflictError
from coatcheck.job import Job, JobStatus, Submission, utcnow
from coatcheck.keys import Keys
from coatcheck.settings import Settings, load
from infra.embedded import find_server
from tests.support.cloudformation import Stack
from tests.support.missing import missing
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import ROOT, PoolProcess, environment

NAMESPACE = "desk"
USER, PASSWORD = "desk-user", "only-for-this-test"
REFUSAL = "(?i)no permission|ACL failure|The user executing the script can't"
"""How the versions of Redis and Valkey word that a right is missing, for commands and in scripts."""
StartPool = Callable[..., PoolProcess]
Submit = Callable[..., Job]


@pytest.fixture(scope="module", params=["redis-server", "valkey-server"])
def admin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    """The default user of a server: Debian's Redis, and the Valkey that ``coatcheck up`` runs."""
    program = shutil.which("redis-server") if request.param == "redis-server" else str(find_server())
    if program is None:
        missing("redis-server (Debian: apt-get install redis-server)")
    port = free_port()
    folder = tmp_path_factory.mktemp("acl")
    options = f"--port {port} --bind 127.0.0.1 --appendonly no --dir {folder}"
    server = subprocess.Popen([program, *options.split(), "--save", ""], stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except redis.ConnectionError:
                    return False

            eventually(answers)
            yield client
    finally:
        server.terminate()
        server.wait(10)


@pytest.fixture
def settings(admin: redis.Redis, stack: Callable[..., Stack]) -> Settings:
    """Settings of a user who has exactly the rights that the template gives."""
    rules = stack("aws", Namespace=NAMESPACE)["RedisUser"]["AccessString"].split()
    admin.flushall()
    admin.execute_command("ACL SETUSER", USER, "reset", f">{PASSWORD}", *rules)  # type: ignore[no-untyped-call]
    port = admin.connection_pool.connection_kwargs["port"]
    return load(
        {
            "REDIS_URL": f"redis://{USER}:{PASSWORD}@127.0.0.1:{port}/0",
            "COATCHECK_NAMESPACE": NAMESPACE,
            "COATCHECK_QUEUES": "default,other",
        }
    )


@pytest.fixture(autouse=True)
def nothing_was_refused(
    admin: redis.Redis, settings: Settings, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Fails a test in which the server refused something, even where nobody noticed."""
    admin.execute_command("ACL LOG RESET")  # type: ignore[no-untyped-call]
    yield
    if "refuses" not in request.node.name:
        assert admin.execute_command("ACL LOG") == []  # type: ignore[no-untyped-call]
        assert all(name.startswith(b"{desk}:") for name in admin.scan_iter())


def reached(adapter: QueueAdapter, job: Job, *statuses: JobStatus) -> Job:
    def look() -> Job | None:
        now = adapter.get(job.id)
        return now if now.status in statuses else None

    return eventually(look, what=f"{job.task} becomes {statuses}")


def test_submit_get_list_and_an_idempotency_key(adapter: QueueAdapter) -> None:
    submissions = [
        Submission("odd.add", {"left": number}, queue="default", timeout=60, result_ttl=60)
        for number in range(3)
    ]
    jobs = adapter.submit(submissions, idempotency_key="key", fingerprint="a")
    again = adapter.submit(submissions, idempotency_key="key", fingerprint="a")
    assert [job.id for job in again] == [job.id for job in jobs]
    assert adapter.get(jobs[0].id).status is JobStatus.QUEUED
    page = adapter.list(limit=2)
    assert len(page.jobs) == 2 and page.next
    assert len(adapter.list(status=JobStatus.QUEUED, queue="default", task="odd.add").jobs) == 3
    assert adapter.queues(["default"])[0].counts["queued"] == 3
    adapter.ping()


def test_a_job_runs_prints_and_finishes(start_pool: StartPool, submit: Submit, adapter: QueueAdapter) -> None:
    start_pool()
    job = reached(adapter, submit("odd.talk", {"lines": 2}), JobStatus.FINISHED)
    eventually(lambda: adapter.log(job.id).ended)
    assert "out 1" in adapter.log(job.id).text
    assert reached(adapter, submit("odd.add", {"left": 40}), JobStatus.FINISHED).result == 42


def test_progress_is_told_and_a_running_job_stops(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    job = submit("odd.wait_for", {"path": str(tmp_path / "never"), "journal": str(tmp_path / "journal")})
    eventually(lambda: adapter.get(job.id).progress)
    (queue,) = adapter.queues(["default"])
    assert [worker.job for worker in queue.workers] == [job.id]
    adapter.cancel(job.id)
    assert reached(adapter, job, JobStatus.STOPPED).error


def test_a_failed_job_is_retried_and_a_waiting_one_canceled(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    waiting = submit("odd.add", {"left": 1}, queue="other")
    assert adapter.cancel(waiting.id).status is JobStatus.CANCELED
    with pytest.raises(ConflictError):
        adapter.cancel(waiting.id)
    job = submit(
        "odd.fail_until", {"path": str(tmp_path / "runs"), "times": 3}, retries=2, retry_delays=(0, 1)
    )
    start_pool(COATCHECK_QUEUES="default,other")
    failed = reached(adapter, job, JobStatus.FAILED)
    assert failed.error and failed.attempt == 3
    adapter.retry(job.id)
    assert reached(adapter, job, JobStatus.FINISHED).result == 4
    adapter.retry(waiting.id)
    assert reached(adapter, waiting, JobStatus.FINISHED).result == 3


def test_who_waits_for_a_job_hears_of_its_end(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter
) -> None:
    start_pool()
    job = submit("odd.add", {"left": 40}, at=utcnow() + timedelta(seconds=1))
    ended = adapter.waiters.wait(job.id, 60, lambda: adapter.get(job.id))
    assert ended is not None and ended.result == 42
    adapter.waiters.dismiss()


def test_the_job_of_a_worker_that_dies_runs_again(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    start_pool()
    journal = tmp_path / "journal"
    job = submit("odd.wait_for", {"path": str(tmp_path / "go"), "journal": str(journal)})
    eventually(journal.exists, what="the task runs")
    (worker,) = eventually(lambda: [w for w in adapter.queues(["default"])[0].workers if w.job == job.id])
    assert worker.pid is not None
    os.kill(worker.pid, 9)
    eventually(lambda: len(journal.read_text().splitlines()) == 2)
    (tmp_path / "go").touch()
    assert reached(adapter, job, JobStatus.FINISHED).result == "seen"


def test_a_pool_that_stops_gives_its_job_back(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, tmp_path: Path
) -> None:
    pool = start_pool()
    job = submit("odd.wait_for", {"path": str(tmp_path / "go"), "journal": str(tmp_path / "journal")})
    reached(adapter, job, JobStatus.STARTED)
    pool.terminate()
    assert adapter.get(job.id).status is JobStatus.QUEUED


def test_the_health_check_and_rqs_own_command_can_look(
    start_pool: StartPool, adapter: QueueAdapter, settings: Settings
) -> None:
    start_pool()
    eventually(lambda: adapter.queues(["default"])[0].workers)
    for command in (["worker_image.health"], ["rq.cli", "info", "--url", settings.redis_url]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment(settings),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_doctor_may_look_and_mend(
    submit: Submit, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    jobs = [submit("odd.add", {"left": number}) for number in range(3)]
    assert examine(client, settings, pause=0, healing=0) == []
    client.lpop(keys.queue("default"))
    client.hset(keys.job(jobs[1].id), "status", "started")
    found = examine(client, settings, pause=0, healing=0)
    assert {finding.kind for finding in found} >= {"queued-nowhere", "started-without-lease"}
    assert all(done.done for done in repair(client, settings, found))
    assert examine(client, settings, pause=0, healing=0) == []


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG SET maxmemory 1",
        "CONFIG GET *",
        "KEYS *",
        "SHUTDOWN NOSAVE",
        "ACL SETUSER desk-user +@all",
        "ACL LIST",
        "CLIENT KILL TYPE normal",
        "REPLICAOF NO ONE",
        "MONITOR",
        "SAVE",
        "MIGRATE 127.0.0.1 1 {desk}:queues 0 1",
        "MODULE LIST",
        "SWAPDB 0 1",
        "GET foreign",
        "SET foreign 1",
        "DEL {other}:queues",
        "HGETALL desk:job:1",
        "COPY {desk}:queues foreign",
        "PUBLISH foreign 1",
        "SUBSCRIBE {other}:pubsub",
        "EVAL return(redis.call('get','foreign')) 0",
        "EVAL return(redis.call('flushall')) 0",
        "EVAL return(1) 1 foreign",
    ],
)
def test_the_server_refuses(command: str, settings: Settings, admin: redis.Redis) -> None:
    admin.set("foreign", "secret")
    with connect(settings) as client, pytest.raises(redis.ResponseError, match=REFUSAL):
        client.execute_command(*command.split())
    assert admin.get("foreign") == b"secret"


def test_the_default_user_is_not_what_we_are(settings: Settings, client: redis.Redis, keys: Keys) -> None:
    assert client.acl_whoami() == USER
    client.set(keys.queue("default"), "1")


def test_in_cluster_mode_the_owner_of_the_keys_may_be_asked_for(
    settings: Settings, admin: redis.Redis
) -> None:
    command = ("ACL DRYRUN", USER, "CLUSTER", "SLOTS")
    assert admin.execute_command(*command) == b"OK"  # type: ignore[no-untyped-call]
