"""A worker's and the janitor's every step, cut off at each of its commands: each job ends as it should.

Enumerated: an undisturbed run counts the commands, then it runs once for each of them and each way to cut.
The server has forgotten the scripts each time, so their loading is cut, too. Afterwards Redis is back, and a
second worker and a janitor go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text, connect
from coatcheck.job import Job, JobStatus, Submission, utcnow
from coatcheck.keys import Keys
from coatcheck.recovery import MAX_LOST
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.support.cutting import CUTS, Cut, CuttingProxy, without_waiting
from tests.support.invariants import violations
from tests.worker_image.scripted import ScriptedHorse, give, play
from worker_image.janitor import Janitor
from worker_image.run import Outcome, Run
from worker_image.spool import Spool
from worker_image.submitting import told
from worker_image.worker import CoatcheckWorker

Reports = list[dict[str, Any]]
OUTPUT: Reports = [{"output": "one\n"}, {"progress": [0.5, "half"]}]
MORE = {"output": "two\n"}
RESULT: Reports = [MORE, {"result": "7"}]
ERROR: Reports = [MORE, {"error": ["ValueError", "bad", "Traceback: bad"]}]


class ScriptedWorker(CoatcheckWorker):
    """The real worker, with a horse that plays the job's arguments."""

    def __init__(self, settings: Settings, client: redis.Redis, horse: ScriptedHorse) -> None:
        super().__init__("default", settings, client)
        self.redis_worker_namespace_prefix = f"{settings.prefix}:worker:"
        self.birth_date = utcnow()
        give(self, horse)
        self.told: list[str] = []
        self._telemetry.ended = self._ended  # type: ignore[method-assign]

    def _ended(self, run: Run, outcome: Outcome, status: str, seconds: float) -> None:
        self.told.append(status)

    def run_one(self, wait: bool) -> bool:
        """Take a job and run it; waiting for one, or only if there is any. Returns whether there was."""
        self._orders.stop, self._orders.stop_at = False, None
        taken = self.dequeue_job_and_maintain_ttl(1 if wait else None)
        if taken is not None:
            self.execute_job(*taken)
        return taken is not None


@dataclass
class World:
    """A namespace with a worker and a janitor behind the proxy, and others that reach Redis directly."""

    settings: Settings
    adapter: QueueAdapter
    worker: ScriptedWorker
    janitor: Janitor
    second_worker: ScriptedWorker
    second_janitor: Janitor
    by_hand: WorkerByHand
    horse: ScriptedHorse
    client: redis.Redis
    keys: Keys
    spool: Spool
    ids: dict[str, str] = field(default_factory=dict)
    expired: list[str] = field(default_factory=list)

    def submit(self, *submissions: Submission) -> None:
        for submission in submissions:
            self.ids[submission.arguments["name"]] = submission.id
        self.adapter.submit(submissions)

    def job(self, name: str) -> Job:
        return self.adapter.get(self.ids[name])

    def assert_sound(self) -> None:
        assert violations(self.client, self.keys.prefix, expired=self.expired) == []

    def end_leases(self) -> None:
        for member in self.client.zrange(self.keys.leases, 0, -1):
            self.client.zadd(self.keys.leases, {as_text(member): 1})

    def age(self) -> None:
        """All that waits for a time has waited for it."""
        self.end_leases()
        scheduled = self.keys.registry("scheduled", "default")
        for member in self.client.zrange(scheduled, 0, -1):
            self.client.zadd(scheduled, {as_text(member): 1})
            self.client.hset(self.keys.job(as_text(member)), "scheduled_for", "1.000000")
        for job_id in self.ids.values():
            for name in ("taken_at", "unknown_since"):
                if self.client.hexists(self.keys.job(job_id), name):
                    self.client.hset(self.keys.job(job_id), name, "1.000000")

    def forget(self) -> None:
        """Leave nothing behind, so that looking at the next world is fast."""
        self.client.delete(*self.client.scan_iter(f"{self.keys.prefix}*", count=10_000))

    def settle(self) -> None:
        """Go on, undisturbed, until every job has ended."""
        for ending in self.spool.orphans():
            ending.deliver(self.by_hand.scripts, self.keys, self.settings)
        for _ in range(10):
            self.second_janitor.tick()
            self.age()
            self.second_janitor.tick()
            while self.second_worker.run_one(wait=False):
                continue
            self.assert_sound()
            if all(self.job(name).ended for name in self.ids):
                return
        raise AssertionError({name: self.job(name).status for name in self.ids})


MakeWorld = Callable[[], World]


@pytest.fixture(scope="module")
def proxy(redis_url: str) -> Iterator[CuttingProxy]:
    with CuttingProxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def make_world(
    proxy: CuttingProxy,
    settings: Settings,
    client: redis.Redis,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> MakeWorld:
    def make() -> World:
        proxy.watch()
        # With the longest lease no renewal depends on how fast the test runs.
        own = replace(settings, namespace=f"t{uuid4().hex[:12]}", worker_lease=600)
        cut = replace(own, redis_url=proxy.url)
        horse, keys = ScriptedHorse(), Keys(own.prefix)
        cut_client = connect(cut, socket_timeout=10)
        request.addfinalizer(cut_client.close)
        worker, second = ScriptedWorker(cut, cut_client, horse), ScriptedWorker(own, client, horse)
        for each in (worker, second):
            request.addfinalizer(each._short.close)
            request.addfinalizer(each._delivery.close)
        return World(
            settings=own,
            adapter=QueueAdapter(client, own),
            worker=worker,
            janitor=Janitor(cut_client, cut, ["default"]),
            second_worker=second,
            second_janitor=Janitor(client, own, ["default"]),
            by_hand=WorkerByHand(client, keys, Scripts(client, own.prefix)),
            horse=horse,
            client=client,
            keys=keys,
            spool=Spool(cut),
        )

    without_waiting(monkeypatch)
    monkeypatch.setattr("worker_image.patience.RECONNECT_SECONDS", 0.001)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # of the files that keep ends
    return make


def every_cut(
    prepare: Callable[[World], object],
    act: Callable[[World], object],
    check: Callable[[World], object],
    cut: Cut,
    proxy: CuttingProxy,
    make_world: MakeWorld,
) -> tuple[str, ...]:
    """Run ``act`` once for each of its commands, cut off there; returns these commands."""
    commands: tuple[str, ...] = ()
    number = 0
    while number <= len(commands):
        world = make_world()
        prepare(world)
        world.client.script_flush()
        if number == 0:
            proxy.watch()
        else:
            proxy.arm(number, cut)
        act(world)
        try:
            assert proxy.fired == (number > 0)
            if number == 0:
                commands = tuple(proxy.seen)
            proxy.watch()
            world.assert_sound()
            world.settle()
            check(world)
        except BaseException as error:
            error.add_note(f"cut at command {number} of {commands}: {cut}")
            raise
        number += 1
        world.forget()
    return commands


# The worker


@dataclass(frozen=True)
class Ending:
    """A job, what happens while it runs, and how it must be in the end, whatever was cut."""

    status: JobStatus
    reports: tuple[Reports, ...] = (OUTPUT, RESULT)
    options: dict[str, Any] = field(default_factory=dict)
    task: str = "play"
    meanwhile: Callable[[World], object] = lambda world: None
    runs: int = 1
    attempt: int = 1
    interrupted: int = 0
    log: str = "one\ntwo\n"
    error: str | None = None


def stop_it(world: World) -> None:
    world.adapter.cancel(world.ids["first"])


def end_workers(world: World) -> None:
    """As by a second SIGTERM, at the first run."""
    if world.horse.runs.count("first") == 1:
        for worker in (world.worker, world.second_worker):
            worker.request_force_stop(15, None)


TWICE = "one\ntwo\none\ntwo\n"
ENDINGS = {
    "finished": Ending(JobStatus.FINISHED),
    "finished, may run only once": Ending(JobStatus.FINISHED, options={"retries": 0}),
    "failed": Ending(JobStatus.FAILED, (OUTPUT, ERROR), error="ValueError"),
    "failed, may run only once": Ending(
        JobStatus.FAILED, (OUTPUT, ERROR), {"retries": 0}, error="ValueError"
    ),
    "failed after a retry": Ending(
        JobStatus.FAILED, (OUTPUT, ERROR), {"retries": 1}, runs=2, attempt=2, log=TWICE, error="ValueError"
    ),
    "failed after a later retry": Ending(
        JobStatus.FAILED,
        (OUTPUT, ERROR),
        {"retries": 1, "retry_delays": (60,)},
        runs=2,
        attempt=2,
        log=TWICE,
        error="ValueError",
    ),
    "stopped": Ending(
        JobStatus.STOPPED, (OUTPUT, [], [], [], [], RESULT), meanwhile=stop_it, log="one\n", error="Stopped"
    ),
    "interrupted": Ending(
        JobStatus.FINISHED,
        (OUTPUT, RESULT),
        meanwhile=end_workers,
        runs=2,
        interrupted=1,
        log="one\none\ntwo\n",
    ),
    "interrupted, may run only once": Ending(
        JobStatus.FAILED, options={"retries": 0}, meanwhile=end_workers, log="one\n", error="WorkerLost"
    ),
    "of an unknown task": Ending(JobStatus.FAILED, task="nobody.knows", runs=0, log="", error="UnknownTask"),
}


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("name", ENDINGS)
def test_a_worker_cut_off_at_any_command_loses_nothing_and_does_nothing_twice(
    name: str, cut: Cut, proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    ending = ENDINGS[name]

    def prepare(world: World) -> None:
        first = play("first", *ending.reports, **ending.options)
        # A second one, since the taken job stays on the list of taken ones when the answer is lost.
        world.submit(replace(first, task=ending.task), play("second", RESULT))
        world.horse.then = lambda: ending.meanwhile(world) if world.horse.runs[-1] == "first" else None

    def check(world: World) -> None:
        job = world.job("first")
        assert (job.status, job.attempt, job.interrupted) == (
            ending.status,
            ending.attempt,
            ending.interrupted,
        )
        assert world.horse.runs.count("first") == ending.runs
        assert world.adapter.log(job.id).text == ending.log
        assert (job.error.type if job.error else None) == ending.error
        assert job.result == (7 if ending.status is JobStatus.FINISHED else None)
        assert world.client.xlen(world.keys.results(job.id)) == 1
        assert world.client.hget(world.keys.job(job.id), "retries_left") in (None, b"0")
        assert "lost" not in world.worker.told, "the worker knows that its end was recorded"
        second = world.job("second")
        assert (second.status, second.attempt, second.result) == (JobStatus.FINISHED, 1, 7)
        assert world.horse.runs.count("second") == 1
        counters = [
            world.client.hmget(world.keys.worker(worker.name), "successful_job_count", "failed_job_count")
            for worker in (world.worker, world.second_worker)
        ]
        done, bad = (sum(int(pair[n] or 0) for pair in counters) for n in (0, 1))
        finished = ending.status is JobStatus.FINISHED
        assert (done, bad) == (1 + finished, max(1, ending.attempt) - finished)

    commands = every_cut(
        prepare, lambda world: world.worker.run_one(wait=True), check, cut, proxy, make_world
    )
    assert commands[:5] == ("beat", "beat", "BLMOVE", "begin", "begin")
    assert ("renew" in commands) == (ending.log != "")
    assert commands[-1] == "finish"


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_a_child_whose_submission_is_cut_off_is_there_once(
    cut: Cut, proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    child: dict[str, Any] = {"child": told(play("child", RESULT)), "number": 1}

    def prepare(world: World) -> None:
        # A second one, as above.
        world.submit(play("first", [child], RESULT), play("second", RESULT))

    def check(world: World) -> None:
        parent = world.job("first")
        assert (parent.status, parent.attempt) == (JobStatus.FINISHED, 1)
        assert world.horse.answers == [{}]
        [found] = [job for job in world.adapter.list().jobs if job.id not in world.ids.values()]
        assert (found.id, found.parent) == (child["child"]["id"], parent.id)
        assert parent.children == (found.id,)
        assert sorted(world.horse.runs) == ["child", "first", "second"]

    commands = every_cut(
        prepare, lambda world: world.worker.run_one(wait=True), check, cut, proxy, make_world
    )
    assert "submit_linked" in commands


# The janitor


def neglected(world: World) -> None:
    """All that a janitor deals with."""
    world.submit(play("waits", RESULT), play("forgotten", RESULT))
    names = ("lost", "once", "poisonous", "stopping")
    for name in names:
        world.submit(play(name, RESULT, retries=0 if name == "once" else None))
    for _ in range(2):
        world.by_hand.take()
    world.client.lrem(world.keys.intermediate("default"), 1, world.ids["waits"])
    world.client.lpush(world.keys.queue("default"), world.ids["waits"])
    world.second_janitor.tick()  # sees that a job was taken
    world.client.hset(world.keys.job(world.ids["forgotten"]), "taken_at", f"{time.time() - 60:.6f}")
    world.client.lmove(world.keys.queue("default"), world.keys.queue("default"), "LEFT", "RIGHT")
    for name in names:
        assert world.by_hand.begin()[0] == world.ids[name]
    for count in ("lost", "interrupted"):
        world.client.hset(world.keys.job(world.ids["poisonous"]), count, MAX_LOST - 1)
    world.adapter.cancel(world.ids["stopping"])
    world.end_leases()
    world.submit(
        play("due", RESULT, at=utcnow() - timedelta(seconds=1)),
        play("later", RESULT, at=utcnow() + timedelta(hours=1)),
    )
    world.submit(play("expired", RESULT))
    world.expired = [world.ids.pop("expired")]
    world.client.lrem(world.keys.queue("default"), 1, world.expired[0])
    world.client.delete(world.keys.job(world.expired[0]))
    world.client.zadd(world.keys.registry("finished", "default"), {world.expired[0]: 1})
    world.client.sadd(world.keys.workers, world.keys.worker("gone"))


def tick(world: World) -> None:
    with suppress(redis.RedisError):  # the pool tries again a second later
        world.janitor.tick()


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_a_janitor_cut_off_at_any_command_moves_each_job_once(
    cut: Cut, proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    expected = {
        "waits": (JobStatus.FINISHED, 1, 0),
        "forgotten": (JobStatus.FINISHED, 1, 0),
        "due": (JobStatus.FINISHED, 1, 0),
        "later": (JobStatus.FINISHED, 1, 0),
        "lost": (JobStatus.FINISHED, 2, 1),
        "once": (JobStatus.FAILED, 1, 1),
        "poisonous": (JobStatus.FAILED, 1, MAX_LOST),
        "stopping": (JobStatus.STOPPED, 1, 1),
    }

    def check(world: World) -> None:
        jobs = {name: world.job(name) for name in expected}
        assert {name: (job.status, job.attempt, job.interrupted) for name, job in jobs.items()} == expected
        for job in jobs.values():
            assert world.client.xlen(world.keys.results(job.id)) == 1
        runs = world.horse.runs
        assert sorted(runs) == sorted(name for name in expected if expected[name][0] is JobStatus.FINISHED)
        Janitor(world.client, world.settings, ["default"]).tick()  # the first drops what is gone
        assert violations(world.client, world.keys.prefix) == []
        assert world.client.scard(world.keys.workers) == 1

    commands = every_cut(neglected, tick, check, cut, proxy, make_world)
    assert [name for name in commands if name in ("promote", "sweep")] == ["sweep"] * 2 + ["promote"] * 2
    assert {"trim", "SREM", "ZSCAN"} < set(commands)
