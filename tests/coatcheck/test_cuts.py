"""Every operation of a client, cut off at each of its commands: nothing is lost, nothing is done twice.

Enumerated: an undisturbed run counts an operation's commands, then it runs once for each of them and each
way to cut. The server has forgotten the scripts each time, so their loading is cut, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text, connect
from coatcheck.errors import ConflictError, UnavailableError
from coatcheck.job import RUN, Job, JobStatus, Submission, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts, source
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.support.cutting import CUTS, Cut, CuttingProxy, without_waiting
from tests.support.invariants import violations

HOUR = timedelta(hours=1)
BATCH = new_job_id()


def submission(number: int = 1, queue: str = "default", **options: Any) -> Submission:
    return Submission("odd.add", {"left": number}, queue, 60, 600, **options)


@dataclass
class World:
    """A namespace of its own, seen directly and through the proxy."""

    adapter: QueueAdapter
    """Through the proxy."""
    direct: QueueAdapter
    worker: WorkerByHand
    client: redis.Redis
    keys: Keys
    submissions: list[Submission] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)

    def put(self, **options: Any) -> Job:
        """A job that is there before the operation."""
        self.jobs = self.direct.submit([submission(**options)])
        return self.jobs[0]

    @property
    def job(self) -> Job:
        """The job of this world as it is now."""
        return self.direct.get(self.jobs[0].id)

    def statuses(self) -> list[JobStatus]:
        """Those of all jobs."""
        return [job.status for job in self.direct.list().jobs]

    def assert_sound(self) -> None:
        assert violations(self.client, self.keys.prefix) == []

    def forget(self) -> None:
        """Leave nothing behind, so that looking at the next world is fast."""
        self.client.delete(*self.client.scan_iter(f"{self.keys.prefix}*", count=10_000))


MakeWorld = Callable[[], World]


@pytest.fixture(scope="module")
def proxy(redis_url: str) -> Iterator[CuttingProxy]:
    with CuttingProxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def make_world(
    proxy: CuttingProxy, settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeWorld]:
    without_waiting(monkeypatch)
    with connect(replace(settings, redis_url=proxy.url)) as cut_client:

        def make() -> World:
            own = replace(settings, namespace=f"t{uuid4().hex[:12]}")
            keys = Keys(own.prefix)
            worker = WorkerByHand(client, keys, Scripts(client, own.prefix))
            return World(QueueAdapter(cut_client, own), QueueAdapter(client, own), worker, client, keys)

        yield make


@dataclass(frozen=True)
class Operation:
    """What a client does, in a world prepared for it, and what must be true then."""

    prepare: Callable[[World], object]
    act: Callable[[World], list[Job]]
    check: Callable[[World, list[Job] | None], None]
    """Takes what the client was answered, None for a 503. It repeats what a client would repeat then."""
    commands: tuple[str, ...]
    """Without the three of a script that the server does not know yet."""


def every_cut(operation: Operation, cut: Cut, proxy: CuttingProxy, make_world: MakeWorld) -> None:
    """Run the operation once for each of its commands, cut off there."""

    def prepared() -> World:
        world = make_world()
        operation.prepare(world)
        world.client.script_flush()
        proxy.watch()
        return world

    world = prepared()
    answer = operation.act(world)
    commands = tuple(proxy.seen)
    script = operation.commands[0]
    assert commands == (script, *operation.commands)
    operation.check(world, answer)
    for number in range(1, len(commands) + 1):
        world = prepared()
        proxy.arm(number, cut)
        answered: list[Job] | None = None
        try:
            answered = operation.act(world)
        except UnavailableError:
            assert cut.refuse, "redis-py's own repeat should have come through"
        try:
            assert proxy.fired
            proxy.watch()
            world.assert_sound()
            operation.check(world, answered)
            world.assert_sound()
        except BaseException as error:
            error.add_note(f"cut at command {number} of {commands}: {cut}")
            raise
        world.forget()


# Submit


def submit(world: World, count: int = 1, key: str | None = None, **options: Any) -> list[Job]:
    """Through the proxy. A client that repeats with a key sends a request that gets other ids."""
    if not world.submissions or key is not None:
        world.submissions = [submission(number, **options) for number in range(count)]
    return world.adapter.submit(world.submissions, idempotency_key=key, fingerprint="f")


def submitting(
    status: JobStatus, count: int = 1, key: str | None = None, again: bool = False, **options: Any
) -> Operation:
    def act(world: World) -> list[Job]:
        return submit(world, count, key, **options)

    def prepare(world: World) -> None:
        if again:
            act(world)

    def check(world: World, answer: list[Job] | None) -> None:
        found = world.direct.list().jobs
        assert len(found) in ((count,) if answer is not None else (0, count)), "all or none"
        jobs = act(world)
        assert [job.arguments["left"] for job in jobs] == list(range(count))
        if answer is not None:
            assert [job.id for job in jobs] == [job.id for job in answer]
        if found:
            assert [job.id for job in jobs] == [job.id for job in reversed(found)]
        assert world.statuses() == [status] * count
        if status is JobStatus.QUEUED:
            waiting = [as_text(member) for member in world.client.lrange(world.keys.queue("default"), 0, -1)]
            assert waiting == [job.id for job in jobs]
            for job in jobs:
                assert world.worker.run(result=1) == job.id
            assert world.statuses() == [JobStatus.FINISHED] * count
            if key is not None:
                assert [job.result for job in act(world)] == [1] * count

    return Operation(prepare, act, check, ("submit",))


def submitting_a_chain() -> Operation:
    """Jobs that come after each other, in a batch and with a parent."""

    def prepare(world: World) -> None:
        world.put()
        world.worker.begin()
        parent = world.job.id
        first, second = submission(0, parent=parent), submission(1, parent=parent)
        world.submissions = [first, replace(second, after=(first.id,))]

    def act(world: World) -> list[Job]:
        return world.adapter.submit(world.submissions, batch=BATCH)

    def check(world: World, answer: list[Job] | None) -> None:
        assert len(world.statuses()) in ((3,) if answer is not None else (1, 3)), "all or none"
        act(world)
        first, second = world.submissions
        assert world.job.children == (first.id, second.id)
        assert world.client.hget(world.keys.batch(BATCH), "open") == b"2"
        assert world.worker.run() == first.id
        assert world.worker.run() == second.id
        assert world.client.ttl(world.keys.batch(BATCH)) > 0

    return Operation(prepare, act, check, ("submit_linked",))


# Cancel and retry


def canceling(prepare: Callable[[World], object]) -> Operation:
    def check(world: World, answer: list[Job] | None) -> None:
        if answer is not None:
            assert [job.status for job in answer] == [JobStatus.CANCELED]
        if world.job.status is JobStatus.CANCELED:
            with pytest.raises(ConflictError, match="is canceled already"):
                world.adapter.cancel(world.job.id)
        else:
            assert answer is None
            assert world.adapter.cancel(world.job.id).status is JobStatus.CANCELED
        assert world.client.llen(world.keys.queue("default")) == 0

    return Operation(prepare, lambda world: [world.adapter.cancel(world.job.id)], check, ("cancel",))


def canceling_a_batch() -> Operation:
    def prepare(world: World) -> None:
        world.submissions = [submission(number) for number in range(3)]
        world.direct.submit(world.submissions, batch=BATCH)
        world.worker.begin()

    def act(world: World) -> list[Job]:
        return [*world.adapter.cancel_batch(BATCH).jobs]

    def check(world: World, answer: list[Job] | None) -> None:
        counts = world.direct.batch(BATCH).counts
        assert counts in ({"started": 1, "queued": 2}, {"started": 1, "canceled": 2}), "all or none"
        assert world.adapter.cancel_batch(BATCH).counts == {"started": 1, "canceled": 2}
        assert world.client.llen(world.keys.queue("default")) == 0

    return Operation(prepare, act, check, ("batch", "cancel", "cancel", "batch"))


def stopping() -> Operation:
    runs: list[tuple[str, str]] = []

    def prepare(world: World) -> None:
        world.put()
        runs.append(world.worker.begin())

    def check(world: World, answer: list[Job] | None) -> None:
        assert world.job.status is JobStatus.STARTED
        if answer is not None:
            assert [job.stop_requested for job in answer] == [True]
        assert world.adapter.cancel(world.job.id).stop_requested
        assert world.worker.report(*runs[-1]) == "stop"
        assert world.worker.end(*runs[-1], "stopped") == "stopped"
        assert (world.job.status, world.job.attempt) == (JobStatus.STOPPED, 1)

    return Operation(prepare, lambda world: [world.adapter.cancel(world.job.id)], check, ("cancel",))


def retrying(prepare: Callable[[World], object], attempts: int) -> Operation:
    def check(world: World, answer: list[Job] | None) -> None:
        if answer is not None:
            assert [job.status for job in answer] == [JobStatus.QUEUED]
        if world.job.status is JobStatus.QUEUED:
            with pytest.raises(ConflictError, match="is queued"):
                world.adapter.retry(world.job.id)
        else:
            assert answer is None
            assert world.adapter.retry(world.job.id).status is JobStatus.QUEUED
        assert world.client.hget(world.keys.job(world.job.id), "retries_left") == b"1"
        assert world.worker.run(result=1) == world.job.id
        assert (world.job.status, world.job.attempt) == (JobStatus.FINISHED, attempts)
        assert world.client.llen(world.keys.queue("default")) == 0

    return Operation(prepare, lambda world: [world.adapter.retry(world.job.id)], check, ("retry",))


def waiting(world: World) -> None:
    world.put()


def taken(world: World) -> None:
    world.put()
    world.worker.take()


def delayed(world: World) -> None:
    world.put(at=utcnow() + HOUR)


def deferred(world: World) -> None:
    """By RQ's own tools, so that nobody knows what it waits for."""
    job = world.put()
    world.client.lrem(world.keys.queue("default"), 1, job.id)
    world.client.hset(world.keys.job(job.id), "status", "deferred")
    world.client.zadd(world.keys.registry("deferred", "default"), {job.id: 1e12})


def awaited(world: World, **options: Any) -> None:
    """With two jobs that come after it, one after the other, and one that runs however it ends."""
    first = world.put(**options)
    second = submission(2, queue="other", after=(first.id,))
    third = submission(3, queue="other", after=(second.id,))
    other = submission(4, queue="other", after=(first.id,), if_failed=RUN)
    world.direct.submit([second, third, other])


def awaited_and_failed(world: World) -> None:
    awaited(world, retries=1)
    world.worker.run("failed")
    world.worker.run("failed")


def failed(world: World) -> None:
    world.put(retries=1)
    world.worker.run("failed")
    world.worker.run("failed")


def stopped(world: World) -> None:
    world.put(retries=1)
    world.worker.run("stopped")


def canceled(world: World) -> None:
    world.direct.cancel(world.put(retries=1).id)


OPERATIONS = {
    "submit": submitting(JobStatus.QUEUED),
    "submit with a key": submitting(JobStatus.QUEUED, key="k"),
    "submit a batch": submitting(JobStatus.QUEUED, 3),
    "submit a batch with a key": submitting(JobStatus.QUEUED, 3, "k"),
    "submit a batch again with its key": submitting(JobStatus.QUEUED, 3, "k", again=True),
    "submit for later": submitting(JobStatus.SCHEDULED, at=utcnow() + HOUR),
    "submit for later with a key": submitting(JobStatus.SCHEDULED, key="k", at=utcnow() + HOUR),
    "submit a chain": submitting_a_chain(),
    "cancel queued": canceling(waiting),
    "cancel taken": canceling(taken),
    "cancel scheduled": canceling(delayed),
    "cancel deferred": canceling(deferred),
    "cancel what others come after": canceling(awaited),
    "cancel a batch": canceling_a_batch(),
    "stop": stopping(),
    "retry failed": retrying(failed, 3),
    "retry what others come after": retrying(awaited_and_failed, 3),
    "retry stopped": retrying(stopped, 2),
    "retry canceled": retrying(canceled, 1),
}


@pytest.mark.parametrize("cut", CUTS, ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_cut_off_at_any_command_leaves_the_job_whole_and_can_be_repeated(
    name: str, cut: Cut, proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    every_cut(OPERATIONS[name], cut, proxy, make_world)


# What others do before the repeat of a call whose answer was lost


REPLY_LOST = Cut(executed=True, refuse=0)


def test_a_repeated_retry_does_not_retry_what_has_failed_again_meanwhile(
    proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    world = make_world()
    job = world.put()
    world.worker.run("failed")
    proxy.arm(1, REPLY_LOST, then=lambda: world.worker.run("failed"))
    world.client.script_load(source("retry"))
    assert world.adapter.retry(job.id).status is JobStatus.FAILED
    assert (world.job.attempt, proxy.seen[:2]) == (2, ["retry", "retry"])
    world.assert_sound()


def test_a_repeated_cancel_does_not_cancel_what_was_retried_meanwhile(
    proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    world = make_world()
    job = world.put()
    proxy.arm(1, REPLY_LOST, then=lambda: world.direct.retry(job.id))
    world.client.script_load(source("cancel"))
    assert world.adapter.cancel(job.id).status is JobStatus.QUEUED
    world.assert_sound()


def test_a_repeated_cancel_of_a_batch_leaves_alone_what_was_retried_meanwhile(
    proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    world = make_world()
    jobs = world.direct.submit([submission(number) for number in range(3)], batch=BATCH)
    proxy.arm(2, REPLY_LOST, then=lambda: world.direct.retry(jobs[1].id))
    for script in ("batch", "cancel"):
        world.client.script_load(source(script))
    assert world.adapter.cancel_batch(BATCH).counts == {"canceled": 2, "queued": 1}
    assert proxy.seen[:3] == ["batch", "cancel", "cancel"]
    assert world.client.lrange(world.keys.queue("default"), 0, -1) == [jobs[1].id.encode()]
    world.assert_sound()


def test_a_repeated_stop_is_answered_when_the_job_has_stopped_meanwhile(
    proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    world = make_world()
    job = world.put()
    run = world.worker.begin()
    proxy.arm(1, REPLY_LOST, then=lambda: world.worker.end(*run, "stopped"))
    world.client.script_load(source("cancel"))
    assert world.adapter.cancel(job.id).status is JobStatus.STOPPED
    world.assert_sound()


def test_a_repeated_submission_does_not_bring_back_what_was_canceled_meanwhile(
    proxy: CuttingProxy, make_world: MakeWorld
) -> None:
    world = make_world()
    world.submissions = [submission()]
    world.client.script_load(source("submit"))
    proxy.arm(1, REPLY_LOST, then=lambda: world.direct.cancel(world.submissions[0].id))
    world.adapter.submit(world.submissions)
    assert world.statuses() == [JobStatus.CANCELED]
    world.assert_sound()
