"""Redis away, slow, full, failed over or read-only: what workers do, and that no end of a job is lost."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import connect
from coatcheck.errors import UnavailableError
from coatcheck.job import Job, JobError, JobStatus, Submission, new_job_id
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings, load
from infra.embedded import EmbeddedRedis
from tests.support.polling import eventually
from tests.support.processes import PoolProcess
from tests.support.proxy import Proxy
from tests.support.servers import Clock, RedisServer
from worker_image.ending import LOST_RESULT, Ending, Following
from worker_image.janitor import Janitor
from worker_image.run import Outcome, Piece, Run
from worker_image.spool import Spool

LEASE = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server of the test's own, which it may stop."""
    with EmbeddedRedis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def settings(server: EmbeddedRedis) -> Settings:
    return load({"REDIS_URL": server.url})


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary files of the test's own."""
    (tmp_path / "t").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def pool(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., PoolProcess]]:
    pools: list[PoolProcess] = []

    def start(**variables: str) -> PoolProcess:
        variables = {"WORKER_LEASE": str(LEASE)} | variables
        pools.append(PoolProcess(settings, tmp_path / f"pool-{len(pools)}.log", **variables))
        return pools[-1]

    yield start
    for each in pools:
        each.__exit__(None, None, None)


class Gate:
    """A task that runs until it is let through, and tells of each of its runs."""

    def __init__(self, folder: Path) -> None:
        self.arguments = {"path": str(folder / "go"), "journal": str(folder / "journal")}
        self._journal = folder / "journal"

    @property
    def runs(self) -> list[int]:
        return [int(line) for line in self._journal.read_text().split()] if self._journal.exists() else []

    def open(self) -> None:
        Path(self.arguments["path"]).touch()


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def submission(task: str, arguments: dict[str, Any], **options: Any) -> Submission:
    return Submission(task, arguments, "default", 60, 600, **options)


def ended(adapter: QueueAdapter, job_id: str) -> Job:
    def look() -> Job | None:
        try:
            job = adapter.get(job_id)
        except UnavailableError:
            return None
        return job if job.ended else None

    return eventually(look, seconds=60, what="the job has ended")


def running(adapter: QueueAdapter, gate: Gate, **options: Any) -> str:
    """The id of a job that runs until the gate is open."""
    task = "odd.wait_once" if options.get("retries") == 0 else "odd.wait_for"
    (job,) = adapter.submit([submission(task, gate.arguments, **options)])
    eventually(lambda: gate.runs, what="the job runs")
    return job.id


# Away


@pytest.mark.parametrize("retries", [None, 0])
def test_an_outage_longer_than_the_lease_repeats_nothing(
    retries: int | None,
    server: EmbeddedRedis,
    adapter: QueueAdapter,
    pool: Callable[..., PoolProcess],
    gate: Gate,
) -> None:
    pool()
    job_id = running(adapter, gate, retries=retries)
    server.stop()
    gate.open()
    time.sleep(LEASE + 2)
    server.start()
    job = ended(adapter, job_id)
    assert (job.status, job.result, job.attempt, job.interrupted) == (JobStatus.FINISHED, "seen", 1, 0)
    assert len(gate.runs) == 1
    # The worker drops its file only once the end is recorded.
    folder = Spool(load({"REDIS_URL": server.url})).folder
    eventually(lambda: not list(folder.glob("*")), what="nothing is left behind")


def test_an_end_outlives_the_pool_that_could_not_record_it(
    server: EmbeddedRedis,
    adapter: QueueAdapter,
    pool: Callable[..., PoolProcess],
    gate: Gate,
    settings: Settings,
) -> None:
    first = pool(WORKER_STOP_TIMEOUT="1")
    job_id = running(adapter, gate, retries=0)
    server.stop()
    gate.open()
    spool = Spool(settings)
    eventually(lambda: list(spool.folder.glob("*.json")), what="the end is kept")
    assert first.terminate() == 0
    assert "a pool on this host will do it" in first.text()
    server.start()
    assert adapter.get(job_id).status is JobStatus.STARTED
    second = pool()
    job = ended(adapter, job_id)
    assert (job.status, job.result, len(gate.runs)) == (JobStatus.FINISHED, "seen", 1)
    assert adapter.log(job_id).text == "waiting\n"
    eventually(lambda: not list(spool.folder.glob("*")), what="the file is dropped")
    assert second.terminate() == 0
    assert not spool.folder.exists()


def test_an_end_outlives_its_worker_and_its_log_is_whole(
    server: EmbeddedRedis, adapter: QueueAdapter, pool: Callable[..., PoolProcess], settings: Settings
) -> None:
    started = pool()
    (job,) = adapter.submit([submission("odd.count", {"to": 30, "pause": 0.05}, retries=0)])
    eventually(lambda: adapter.log(job.id).text)
    worker = adapter.queues(["default"])[0].workers[0].pid
    assert worker
    server.stop()
    eventually(lambda: list(Spool(settings).folder.glob("*.json")), what="the end is kept")
    os.kill(worker, signal.SIGKILL)
    server.start()
    done = ended(adapter, job.id)
    assert (done.status, done.result) == (JobStatus.FINISHED, 30)
    assert adapter.log(job.id).text.split() == [str(number) for number in range(30)]
    eventually(lambda: "its end was kept in a file; now finished" in started.text())


def test_a_result_too_large_to_keep_is_lost_with_a_reason(
    server: EmbeddedRedis, adapter: QueueAdapter, pool: Callable[..., PoolProcess], gate: Gate
) -> None:
    first = pool(WORKER_SPOOL_LIMIT="0")
    job_id = running(adapter, gate, retries=0)
    server.stop()
    gate.open()
    eventually(lambda: "WORKER_SPOOL_LIMIT" in first.text())
    assert first.terminate() == 0
    server.start()
    pool()
    job = ended(adapter, job_id)
    assert job.status is JobStatus.FAILED
    assert job.error and (job.error.type, job.error.message) == (LOST_RESULT.type, LOST_RESULT.message)
    assert len(gate.runs) == 1


def test_a_pool_that_starts_while_redis_is_away_waits_for_it(
    server: EmbeddedRedis, adapter: QueueAdapter, pool: Callable[..., PoolProcess]
) -> None:
    (job,) = adapter.submit([submission("odd.add", {"left": 1})])
    server.stop()
    started = pool()
    eventually(lambda: started.text().count("trying again") >= 3, what="the worker tries again and again")
    server.start()
    assert ended(adapter, job.id).result == 3
    assert started.process.poll() is None


def test_a_worker_that_is_away_alone_loses_its_job(
    adapter: QueueAdapter, pool: Callable[..., PoolProcess], gate: Gate
) -> None:
    """An outage that others don't see is a lost worker: its job must not wait for it."""
    pool()
    job_id = running(adapter, gate)
    worker = adapter.queues(["default"])[0].workers[0].pid
    assert worker
    os.kill(worker, signal.SIGSTOP)
    pool()
    eventually(lambda: len(gate.runs) == 2, what="another worker runs it")
    gate.open()
    os.kill(worker, signal.SIGCONT)
    job = ended(adapter, job_id)
    assert (job.attempt, job.interrupted) == (2, 1)


# The clock and the leases


@pytest.mark.parametrize(("last", "extended"), [(-30.0, True), (0.0, False), (3600.0, True)])
def test_leases_get_a_new_term_when_nobody_could_look_or_the_clock_went_back(
    last: float, extended: bool, client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    janitor = Janitor(client, settings, ["default"])
    janitor.tick()
    now = float(client.get(keys.swept) or 0)
    ends = now + last + settings.worker_lease if last > 0 else now - 1
    client.zadd(keys.leases, {"job:execution": ends})
    client.set(keys.swept, now + last)
    janitor.tick()
    score = client.zscore(keys.leases, "job:execution")
    if extended:
        assert score is not None and score == pytest.approx(now + settings.worker_lease, abs=5)
    else:
        assert score is None, "its job does not exist, so it is dropped"


# Full


def test_a_full_redis_is_drained_and_no_lease_ends(
    client: redis.Redis, adapter: QueueAdapter, pool: Callable[..., PoolProcess], gate: Gate
) -> None:
    pool()
    job_id = running(adapter, gate)
    waiting = adapter.submit([submission("odd.add", {"left": number}) for number in range(5)])
    client.config_set("maxmemory", 1)
    with pytest.raises(UnavailableError):
        adapter.submit([submission("odd.add", {"left": 1})])
    time.sleep(2 * LEASE)
    assert adapter.get(job_id).status is JobStatus.STARTED
    gate.open()
    assert [ended(adapter, job.id).result for job in waiting] == [2, 3, 4, 5, 6]
    job = ended(adapter, job_id)
    assert (job.status, job.attempt, len(gate.runs)) == (JobStatus.FINISHED, 1, 1)
    (queue,) = adapter.queues(["default"])
    assert queue.workers, "a worker shows that it lives even now"


def test_what_is_printed_in_a_full_redis_waits_for_room_or_for_the_end(
    client: redis.Redis, adapter: QueueAdapter, pool: Callable[..., PoolProcess]
) -> None:
    pool()
    first, second = adapter.submit(
        [submission("odd.count", {"to": 20, "pause": 0.1}), submission("odd.count", {"to": 20, "pause": 0.1})]
    )
    eventually(lambda: adapter.log(first.id).text)
    client.config_set("maxmemory", 1)
    time.sleep(1)
    client.config_set("maxmemory", 0)
    ended(adapter, first.id)
    assert adapter.log(first.id).text.split() == [str(number) for number in range(20)], "it waited"
    eventually(lambda: adapter.log(second.id).text)
    client.config_set("maxmemory", 1)
    assert ended(adapter, second.id).result == 20
    page = adapter.log(second.id)
    assert page.text.split() == [str(number) for number in range(20)], "an end makes room, so it is taken"


# Failed over, and slow


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[RedisServer, RedisServer]]:
    """A primary, and its replica which has all of it."""
    clock = Clock(tmp_path / "clock")
    primary, other = RedisServer(tmp_path / "primary", clock), RedisServer(tmp_path / "replica", clock)
    primary.start()
    try:
        other.follow(primary)
        yield primary, other
    finally:
        primary.kill()
        other.kill()


@pytest.fixture
def through(servers: tuple[RedisServer, RedisServer]) -> Iterator[Proxy]:
    """The way to the primary."""
    with Proxy(servers[0].port) as proxy:
        yield proxy


def settings_of(proxy: Proxy, **variables: str) -> Settings:
    return load({"REDIS_URL": f"redis://127.0.0.1:{proxy.port}", **variables})


def test_a_connection_to_a_demoted_primary_is_given_up(
    servers: tuple[RedisServer, RedisServer], through: Proxy, tmp_path: Path, gate: Gate
) -> None:
    """As with a planned failover: the old primary goes on as a replica, and its connections stay open."""
    primary, other = servers
    own = settings_of(through)
    with connect(own) as client, PoolProcess(own, tmp_path / "log", WORKER_LEASE="6"):
        adapter = QueueAdapter(client, own)
        job_id = running(adapter, gate, retries=0)
        other.promote()
        through.retarget(other.port)
        with primary.client() as old:
            old.replicaof("127.0.0.1", other.port)
        (second,) = adapter.submit([submission("odd.add", {"left": 1})])
        gate.open()
        job = ended(adapter, job_id)
        assert (job.status, job.attempt, len(gate.runs)) == (JobStatus.FINISHED, 1, 1)
        assert ended(adapter, second.id).result == 3


def test_a_202_is_kept_through_a_failover_when_replicas_confirm_it(
    servers: tuple[RedisServer, RedisServer], through: Proxy
) -> None:
    primary, other = servers
    own = settings_of(through, REDIS_WAIT_REPLICAS="1")
    with connect(own) as client:
        adapter = QueueAdapter(client, own)
        (job,) = adapter.submit([submission("odd.add", {"left": 1})])
        primary.kill()
        other.promote()
        through.redirect(other.port)
        assert adapter.get(job.id).status is JobStatus.QUEUED


def test_without_enough_replicas_nothing_is_accepted(
    servers: tuple[RedisServer, RedisServer], through: Proxy
) -> None:
    own = settings_of(through, REDIS_WAIT_REPLICAS="2")
    with connect(own) as client, pytest.raises(UnavailableError, match="NotReplicatedError"):
        QueueAdapter(client, own).submit([submission("odd.add", {"left": 1})])


def test_a_script_that_the_server_does_not_know_yet_is_sent_before_the_wait(
    servers: tuple[RedisServer, RedisServer], through: Proxy
) -> None:
    own = settings_of(through, REDIS_WAIT_REPLICAS="1")
    with connect(own) as client:
        adapter = QueueAdapter(client, own)
        adapter.submit([submission("odd.add", {"left": 1})])
        client.script_flush()
        adapter.submit([submission("odd.add", {"left": 1})])
        assert len(adapter.list().jobs) == 2


def test_a_job_that_may_run_only_once_waits_until_replicas_know_that_it_began(
    servers: tuple[RedisServer, RedisServer], through: Proxy, tmp_path: Path, gate: Gate
) -> None:
    own = settings_of(through)
    with (
        connect(own) as client,
        PoolProcess(own, tmp_path / "log", REDIS_WAIT_REPLICAS="1", WORKER_LEASE="6"),
    ):
        adapter = QueueAdapter(client, own)
        servers[1].pause()
        (job,) = adapter.submit([submission("odd.wait_once", gate.arguments, retries=0)])
        eventually(lambda: "NotReplicatedError" in (tmp_path / "log").read_text())
        assert (adapter.get(job.id).status, gate.runs) == (JobStatus.STARTED, [])
        servers[1].resume()
        eventually(lambda: gate.runs, what="it runs now")
        gate.open()
        assert ended(adapter, job.id).status is JobStatus.FINISHED


def test_a_slow_redis_slows_a_worker_but_nothing_is_lost(
    servers: tuple[RedisServer, RedisServer], through: Proxy, tmp_path: Path
) -> None:
    own = settings_of(through)
    with connect(own, socket_timeout=15) as client, PoolProcess(own, tmp_path / "log", WORKER_LEASE="10"):
        adapter = QueueAdapter(client, own)
        eventually(lambda: adapter.queues(["default"])[0].workers)
        through.delay(0.2)
        (job,) = adapter.submit([submission("odd.count", {"to": 10, "pause": 0.1}, retries=0)])
        assert ended(adapter, job.id).result == 10
        assert adapter.log(job.id).text.split() == [str(number) for number in range(10)]


# The files


def ending(execution: str = "e", result: str = '"x"', at_most_once: bool = False) -> Ending:
    run = Run(new_job_id(), execution, "default")
    run.at_most_once = at_most_once
    run.printed("ünï\n", 100)
    return Ending.of(run, Outcome("finished", result=result), "worker")


def test_an_ending_is_the_same_after_a_file() -> None:
    error = JobError("Kind", "text", "traceback")
    original = replace(ending(), error=error, pieces=(Piece(3, "a", cut=True, open=True), Piece(4, "b")))
    assert Ending.loads(original.dumps()) == original


def test_a_file_belongs_to_its_worker_until_that_is_gone(settings: Settings) -> None:
    spool = Spool(settings)
    kept = spool.keep(ending())
    assert kept is not None
    assert list(spool.orphans()) == []
    kept.leave()
    assert len(list(spool.orphans())) == 1
    assert list(spool.orphans()) == [], "taken once"


def test_a_folder_is_removed_when_nothing_is_left_there(settings: Settings) -> None:
    spool, other = Spool(settings), Spool(settings)
    spool.close()  # there was none
    kept = spool.keep(ending())
    assert kept is not None
    other.close()
    kept.leave()
    other.close()
    assert len(list(spool.orphans())) == 1
    other.close()
    assert not spool.folder.exists() and list(spool.orphans()) == []


def test_an_end_is_kept_while_another_pool_removes_the_folder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, other = Spool(settings), Spool(settings)
    fitting, removals = Spool._fitting, iter([other.close])

    def late(self: Spool, end: Ending) -> str | None:
        next(removals, lambda: None)()
        return fitting(self, end)

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "_fitting", late)
        kept = spool.keep(ending())
    assert kept is not None
    kept.leave()
    assert len(list(other.orphans())) == 1


def test_a_file_stays_when_it_can_not_be_delivered(settings: Settings) -> None:
    spool = Spool(settings)
    kept = spool.keep(ending())
    assert kept is not None
    kept.leave()
    orphans = spool.orphans()
    next(orphans)
    with pytest.raises(redis.ConnectionError):
        orphans.throw(redis.ConnectionError())
    assert len(list(spool.orphans())) == 1


def test_the_limit_is_one_of_all_files_together(settings: Settings) -> None:
    spool = Spool(replace(settings, worker_spool_limit=1))
    first = spool.keep(ending("a", "x" * 700_000))
    assert first is not None
    assert spool.keep(ending("b", "x" * 700_000)) is None, "it is run again"
    once = spool.keep(ending("c", "x" * 700_000, at_most_once=True))
    assert once is not None
    once.leave()
    (left,) = spool.orphans()
    assert (left.kind, left.error) == ("failed", LOST_RESULT)


def test_files_are_for_their_user_only_and_damaged_ones_are_dropped(settings: Settings) -> None:
    spool = Spool(settings)
    kept = spool.keep(ending())
    assert kept is not None
    (file,) = spool.folder.glob("*.json")
    assert (spool.folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    kept.drop()
    (spool.folder / "odd.json").write_text('{"job_id": 1}')
    assert list(spool.orphans()) == []
    assert list(spool.folder.iterdir()) == []


def test_a_folder_that_others_can_write_is_not_used(settings: Settings) -> None:
    spool = Spool(settings)
    spool.folder.mkdir(mode=0o777)
    spool.folder.chmod(0o777)
    assert spool.keep(ending()) is None
    assert list(spool.folder.iterdir()) == []


def test_the_end_of_a_run_that_was_given_away_is_dropped(
    client: redis.Redis, settings: Settings, keys: Keys
) -> None:
    scripts = Scripts(client, settings.prefix)
    assert ending().deliver(scripts, keys, settings, Following("next")).status == "lost"
    assert client.keys("*") == []
