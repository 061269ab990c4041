"""A healthy namespace with a job in each state, and each thing that can be wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis

from coatcheck.adapter import QueueAdapter
from coatcheck.codec import encode_error
from coatcheck.connection import as_text
from coatcheck.doctor import Finding, examine
from coatcheck.job import Job, JobError, Submission, new_job_id, utcnow
from coatcheck.keys import Keys
from coatcheck.settings import Settings

if TYPE_CHECKING:
    from tests.coatcheck.conftest import WorkerByHand

Submit = Callable[..., Job]
BATCH = new_job_id()


@dataclass
class Ward:
    """A healthy namespace with a job in each state, to plant something in."""

    redis: redis.Redis
    keys: Keys
    settings: Settings
    jobs: dict[str, str]
    execution: str

    def job(self, status: str) -> str:
        return self.keys.job(self.jobs[status])

    def registry(self, kind: str) -> str:
        return self.keys.registry(kind, "default")

    @property
    def run(self) -> str:
        """The member that names the run of the started job."""
        return f"{self.jobs['started']}:{self.execution}"

    @property
    def queue(self) -> str:
        return self.keys.queue("default")

    @property
    def taken(self) -> str:
        return self.keys.intermediate("default")

    def waiting(self) -> list[str]:
        return [as_text(member) for member in self.redis.lrange(self.queue, 0, -1)]

    def examine(self) -> list[Finding]:
        return examine(self.redis, self.settings, pause=0, healing=0)

    def kinds(self) -> list[str]:
        return sorted(finding.kind for finding in self.examine())

    def statuses(self) -> dict[str, str]:
        return {
            name: as_text(self.redis.hget(self.keys.job(job), "status")) for name, job in self.jobs.items()
        }

    def dump(self) -> dict[bytes, tuple[bytes | None, bool]]:
        """All keys: what they hold, and whether they expire."""
        return {
            key: (self.redis.dump(key), self.redis.pttl(key) >= 0)
            for key in self.redis.scan_iter(f"{self.keys.prefix}:*", count=1000)
        }


@pytest.fixture
def ward(
    submit: Submit,
    worker: WorkerByHand,
    adapter: QueueAdapter,
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
) -> Ward:
    client.hset(keys.worker(worker.name), "last_heartbeat", "now")
    client.expire(keys.worker(worker.name), 80)
    client.sadd(keys.workers, keys.worker(worker.name))
    client.sadd(keys.workers_of("default"), keys.worker(worker.name))

    jobs: dict[str, str] = {}
    for outcome in ("finished", "failed", "stopped"):
        submit("odd.add")
        job_id, execution = worker.begin()
        worker.report(job_id, execution, "a line")
        worker.end(job_id, execution, outcome)
        jobs[outcome] = job_id
    jobs["canceled"] = submit("odd.add").id
    adapter.cancel(jobs["canceled"])
    jobs["retried"] = submit("odd.add").id
    worker.run("failed")
    adapter.retry(jobs["retried"])
    assert worker.run() == jobs["retried"]
    jobs["started"] = submit("odd.add").id
    _, execution = worker.begin()
    worker.report(jobs["started"], execution, "a line")
    jobs["scheduled"] = submit("odd.add", at=utcnow() + timedelta(hours=1), owner="ann").id
    jobs["queued"] = submit("odd.add", owner="ann").id
    jobs["behind"] = submit("odd.add").id
    jobs["elsewhere"] = submit("odd.add", queue="other").id
    link(jobs, adapter, worker)
    client.delete(keys.rate("ann"))  # which would expire while somebody looks
    return Ward(client, keys, settings, jobs, execution)


def link(jobs: dict[str, str], adapter: QueueAdapter, worker: WorkerByHand) -> None:
    """Add jobs that come after others, on a queue of their own: two that wait, and one that was canceled."""

    def make(*after: str) -> Submission:
        return Submission("odd.add", {}, "linked", 60, 600, after=after)

    needed, failed, awaited = make(), make(), make()
    last, vain = make(needed.id, awaited.id), make(failed.id, needed.id)
    adapter.submit([needed, failed, awaited, last, vain], batch=BATCH)
    worker.run(queue="linked")
    worker.run("failed", queue="linked")
    names = {"needed": needed, "broken": failed, "awaited": awaited, "last": last, "vain": vain}
    jobs |= {name: submission.id for name, submission in names.items()}


def orphan(ward: Ward, kind: str) -> None:
    ward.redis.xadd(f"{ward.keys.prefix}:{kind}:{new_job_id()}", {"t": "text"})


def take(ward: Ward) -> object:
    return ward.redis.lmove(ward.queue, ward.taken, "LEFT", "RIGHT")


def lose_hash(ward: Ward, name: str) -> object:
    return ward.redis.delete(
        ward.job(name),
        *(f"{ward.keys.prefix}:{kind}:{ward.jobs[name]}" for kind in ("log", "results", "executions")),
    )


def forget_worker(ward: Ward) -> None:
    ward.redis.delete(ward.keys.worker("by-hand"))
    ward.redis.delete(ward.keys.workers, ward.keys.workers_of("default"))


def foreign_run(ward: Ward) -> str:
    return f"{new_job_id()}:0123456789abcdef"


PLANTS: dict[str, tuple[Callable[[Ward], object], list[str]]] = {
    "a queued job is on no list": (
        lambda ward: ward.redis.lrem(ward.queue, 0, ward.jobs["queued"]),
        ["queued-nowhere"],
    ),
    "a queued job is on its queue twice": (
        lambda ward: ward.redis.rpush(ward.queue, ward.jobs["queued"]),
        ["queued-twice"],
    ),
    "a queued job is taken and on its queue": (
        lambda ward: (
            take(ward),
            ward.redis.rpush(ward.queue, ward.jobs["queued"]),
            ward.redis.hset(ward.job("queued"), "taken_at", time.time()),
        ),
        ["queued-twice"],
    ),
    "a taken job is never begun": (
        lambda ward: (take(ward), ward.redis.hset(ward.job("queued"), "taken_at", time.time() - 60)),
        ["taken-not-begun"],
    ),
    "a taken job that no janitor saw": (take, ["taken-not-begun"]),
    "a scheduled job is on no schedule": (
        lambda ward: ward.redis.delete(ward.registry("scheduled")),
        ["scheduled-nowhere"],
    ),
    "a deferred job is on no list": (
        lambda ward: (
            ward.redis.zrem(ward.registry("scheduled"), ward.jobs["scheduled"]),
            ward.redis.hset(ward.job("scheduled"), "status", "deferred"),
        ),
        ["index-differs", "index-differs", "scheduled-nowhere"],
    ),
    "a started job has no lease": (
        lambda ward: ward.redis.delete(ward.keys.leases),
        ["started-without-lease"],
    ),
    "a started job's lease is long over": (
        lambda ward: ward.redis.zadd(ward.keys.leases, {ward.run: time.time() - 60}),
        ["lease-overdue"],
    ),
    "a started job's worker is gone": (forget_worker, ["started-without-worker"]),
    "a started job is not among the running": (
        lambda ward: ward.redis.delete(ward.registry("wip")),
        ["started-nowhere"],
    ),
    "a started job's execution is gone": (
        lambda ward: ward.redis.delete(f"{ward.keys.prefix}:execution:{ward.run}"),
        ["started-without-execution"],
    ),
    "a started job's list of executions is gone": (
        lambda ward: ward.redis.delete(f"{ward.keys.prefix}:executions:{ward.jobs['started']}"),
        ["started-without-execution"],
    ),
    "an ended job is not in its registry": (
        lambda ward: ward.redis.zrem(ward.registry("failed"), ward.jobs["stopped"]),
        ["ended-nowhere"],
    ),
    "a queued job is on the schedule too": (
        lambda ward: ward.redis.zadd(ward.registry("scheduled"), {ward.jobs["queued"]: 5}),
        ["two-places"],
    ),
    "a queued job is on another queue too": (
        lambda ward: ward.redis.rpush(ward.keys.queue("other"), ward.jobs["queued"]),
        ["two-places"],
    ),
    "a finished job is on its queue": (
        lambda ward: ward.redis.lpush(ward.queue, ward.jobs["finished"]),
        ["two-places"],
    ),
    "a running job is taken again": (
        lambda ward: ward.redis.rpush(ward.taken, ward.jobs["started"]),
        ["two-places"],
    ),
    "a job is on a list of another status only": (
        lambda ward: (
            ward.redis.zrem(ward.registry("finished"), ward.jobs["finished"]),
            ward.redis.zadd(ward.registry("canceled"), {ward.jobs["finished"]: time.time() + 600}),
        ),
        ["ended-nowhere", "wrong-place"],
    ),
    "a job is on another queue only": (
        lambda ward: ward.redis.lmove(ward.queue, ward.keys.queue("other"), "LEFT", "RIGHT"),
        ["queued-nowhere", "wrong-place"],
    ),
    "an earlier run is still among the running": (
        lambda ward: ward.redis.zadd(ward.registry("wip"), {f"{ward.jobs['started']}:earlier": "inf"}),
        ["two-places"],
    ),
    "a queued job's hash is gone": (
        lambda ward: lose_hash(ward, "queued"),
        ["counted-not-waiting", "gone-but-indexed", "gone-but-indexed", "gone-but-listed"],
    ),
    "a finished job's hash is gone": (
        lambda ward: lose_hash(ward, "finished"),
        ["gone-but-indexed", "gone-but-listed"],
    ),
    "a scheduled job's hash is gone": (
        lambda ward: lose_hash(ward, "scheduled"),
        ["counted-not-waiting", "gone-but-indexed", "gone-but-indexed", "gone-but-listed"],
    ),
    "an expired job is still listed": (
        lambda ward: (
            lose_hash(ward, "failed"),
            ward.redis.zadd(ward.registry("failed"), {ward.jobs["failed"]: time.time() - 3600}),
        ),
        ["gone-but-indexed", "gone-but-listed"],
    ),
    "a started job's hash is gone": (
        lambda ward: ward.redis.delete(ward.job("started")),
        [
            "gone-but-indexed",
            "gone-but-listed",
            "orphan-log",
            "stray-execution",
            "stray-execution",
            "stray-lease",
            "stray-worker-execution",
        ],
    ),
    "a job is not in the index": (
        lambda ward: ward.redis.zrem(ward.keys.index, ward.jobs["failed"]),
        ["not-indexed"],
    ),
    "a list shows a job as something else": (
        lambda ward: ward.redis.zadd(ward.keys.index, {ward.jobs["failed"]: 0}),
        ["index-differs"],
    ),
    "a queue is not in the set of queues": (
        lambda ward: ward.redis.srem(ward.keys.queues, ward.keys.queue("other")),
        ["queue-unlisted"],
    ),
    "waiting jobs are not counted": (
        lambda ward: ward.redis.delete(ward.keys.waiting("ann")),
        ["waiting-uncounted", "waiting-uncounted"],
    ),
    "a waiting job is counted for another owner": (
        lambda ward: ward.redis.sadd(ward.keys.waiting("ben"), ward.jobs["queued"], ward.jobs["behind"]),
        ["counted-not-waiting", "counted-not-waiting"],
    ),
    "a finished job is counted among the waiting": (
        lambda ward: ward.redis.sadd(ward.keys.waiting("ann"), ward.jobs["finished"]),
        ["counted-not-waiting"],
    ),
    "what an owner has submitted does not expire": (
        lambda ward: ward.redis.set(ward.keys.rate("ann"), "x"),
        ["rate-without-ttl"],
    ),
    "what an owner has uploaded does not expire": (
        lambda ward: ward.redis.set(ward.keys.uploads("ann"), "1"),
        ["uploads-without-ttl"],
    ),
    "what is known of an uploaded file does not expire": (
        lambda ward: ward.redis.set(ward.keys.file("d1.x"), "{}"),
        ["file-without-ttl"],
    ),
    "a lease of no job": (
        lambda ward: ward.redis.zadd(ward.keys.leases, {foreign_run(ward): time.time() + 60}),
        ["stray-lease"],
    ),
    "a lease of a finished job": (
        lambda ward: ward.redis.zadd(ward.keys.leases, {f"{ward.jobs['finished']}:x": time.time() + 60}),
        ["stray-lease"],
    ),
    "a lease that names no run": (
        lambda ward: ward.redis.zadd(ward.keys.leases, {"nonsense": 5}),
        ["stray-lease"],
    ),
    "an execution of no job": (
        lambda ward: ward.redis.hset(f"{ward.keys.prefix}:execution:{foreign_run(ward)}", "id", "x"),
        ["stray-execution"],
    ),
    "a list of executions of a finished job": (
        lambda ward: ward.redis.zadd(f"{ward.keys.prefix}:executions:{ward.jobs['finished']}", {"x": 5}),
        ["stray-execution"],
    ),
    "a worker that is gone is said to run something": (
        lambda ward: ward.redis.sadd(f"{ward.keys.worker('gone')}:executions", foreign_run(ward)),
        ["stray-worker-execution"],
    ),
    "another worker is said to run the job": (
        lambda ward: ward.redis.sadd(f"{ward.keys.worker('other')}:executions", ward.run),
        ["stray-worker-execution"],
    ),
    "a worker is gone but still listed": (
        lambda ward: (
            ward.redis.sadd(ward.keys.workers, ward.keys.worker("gone")),
            ward.redis.sadd(ward.keys.workers_of("other"), ward.keys.worker("gone")),
        ),
        ["worker-gone", "worker-gone"],
    ),
    "something else stands among the workers": (
        lambda ward: ward.redis.sadd(ward.keys.workers, "nonsense"),
        ["worker-gone"],
    ),
    "a worker's record does not expire": (
        lambda ward: ward.redis.hset(ward.keys.worker("ghost"), "failed_job_count", 1),
        ["worker-without-ttl"],
    ),
    "a finished job does not expire": (
        lambda ward: ward.redis.persist(ward.job("finished")),
        ["ended-without-ttl"],
    ),
    "nothing of a failed job expires": (
        lambda ward: [
            ward.redis.persist(f"{ward.keys.prefix}:{kind}:{ward.jobs['failed']}")
            for kind in ("job", "log", "results")
        ],
        ["ended-without-ttl", "log-without-ttl", "results-without-ttl"],
    ),
    "a log does not expire": (
        lambda ward: ward.redis.persist(ward.keys.log(ward.jobs["finished"])),
        ["log-without-ttl"],
    ),
    "results do not expire": (
        lambda ward: ward.redis.persist(ward.keys.results(ward.jobs["stopped"])),
        ["results-without-ttl"],
    ),
    "a queued job would expire": (
        lambda ward: ward.redis.expire(ward.job("queued"), 100),
        ["unended-with-ttl"],
    ),
    "a running job would expire": (
        lambda ward: ward.redis.expire(ward.job("started"), 100),
        ["unended-with-ttl"],
    ),
    "a registry keeps a job longer than it lives": (
        lambda ward: ward.redis.zincrby(ward.registry("failed"), 50, ward.jobs["failed"]),
        ["ttl-differs"],
    ),
    "a log of no job": (lambda ward: orphan(ward, "log"), ["orphan-log"]),
    "results of no job": (lambda ward: orphan(ward, "results"), ["orphan-results"]),
    "an idempotency record does not expire": (
        lambda ward: ward.redis.hset(ward.keys.idempotency("digest"), "fingerprint", "x"),
        ["idempotency-without-ttl"],
    ),
}
PLANTS |= {
    "a job is not among the dependents of one that it waits for": (
        lambda ward: ward.redis.srem(ward.keys.dependents(ward.jobs["awaited"]), ward.jobs["last"]),
        ["unknown-to-dependency"],
    ),
    "a canceled job is not among the dependents of the one that it was canceled for": (
        lambda ward: ward.redis.delete(ward.keys.dependents(ward.jobs["broken"])),
        ["unknown-to-dependency"],
    ),
    "a job waits for one that is gone": (
        lambda ward: (
            lose_hash(ward, "awaited"),
            ward.redis.delete(ward.keys.dependents(ward.jobs["awaited"])),
            ward.redis.lrem(ward.keys.queue("linked"), 0, ward.jobs["awaited"]),
        ),
        ["batch-miscounted", "gone-but-indexed", "not-settled"],
    ),
    "a job that was canceled for another might wait again": (
        lambda ward: (
            ward.redis.hset(ward.job("broken"), "status", "queued"),
            ward.redis.zrem(ward.keys.registry("failed", "linked"), ward.jobs["broken"]),
            ward.redis.rpush(ward.keys.queue("linked"), ward.jobs["broken"]),
            ward.redis.persist(ward.job("broken")),
            ward.redis.persist(ward.keys.results(ward.jobs["broken"])),
            ward.redis.persist(ward.keys.dependents(ward.jobs["broken"])),
        ),
        ["batch-miscounted", "index-differs", "not-settled"],
    ),
    "a stranger among the dependents": (
        lambda ward: ward.redis.sadd(ward.keys.dependents(ward.jobs["needed"]), ward.jobs["queued"]),
        ["stray-dependent"],
    ),
    "a job that has ended among the dependents of a finished one": (
        lambda ward: (
            ward.redis.sadd(ward.keys.dependents(ward.jobs["finished"]), ward.jobs["stopped"]),
            ward.redis.persist(ward.job("finished")),
        ),
        ["ended-without-ttl", "stray-dependent"],
    ),
    "a result that is needed would expire": (
        lambda ward: ward.redis.expire(ward.job("needed"), 600),
        ["needed-with-ttl"],
    ),
    "dependents of no job": (
        lambda ward: ward.redis.sadd(ward.keys.dependents(new_job_id()), ward.jobs["queued"]),
        ["orphan-dependents"],
    ),
    "dependencies of no job": (
        lambda ward: ward.redis.sadd(ward.keys.dependencies(new_job_id()), ward.jobs["queued"]),
        ["orphan-dependents"],
    ),
    "a batch counts wrong": (
        lambda ward: ward.redis.hset(ward.keys.batch(BATCH), "open", 1),
        ["batch-miscounted"],
    ),
    "a batch that has not ended would expire": (
        lambda ward: ward.redis.expire(ward.keys.batch(BATCH), 600),
        ["batch-miscounted"],
    ),
}
LEFT: dict[str, tuple[Callable[[Ward], object], list[str]]] = {
    "a job's key is of another type": (
        lambda ward: ward.redis.set(ward.keys.job(new_job_id()), "x"),
        ["wrong-type"],
    ),
    "a log is of another type": (
        lambda ward: ward.redis.set(ward.keys.log(ward.jobs["queued"]), "x"),
        ["wrong-type"],
    ),
    "the set of queues is of another type": (
        lambda ward: (ward.redis.delete(ward.keys.queues), ward.redis.set(ward.keys.queues, "x")),
        ["queue-unlisted", "queue-unlisted", "queue-unlisted", "wrong-type"],
    ),
    "a count of waiting jobs is of another type": (
        lambda ward: ward.redis.set(ward.keys.waiting("ben"), "x"),
        ["wrong-type"],
    ),
    "a registry is of another type": (
        lambda ward: ward.redis.set(ward.keys.registry("deferred", "default"), "x"),
        ["wrong-type"],
    ),
    "a job was quarantined": (
        lambda ward: ward.redis.hset(
            ward.keys.job(ward.jobs["failed"]),
            "error",
            encode_error(JobError("Quarantined", "it is not signed")),
        ),
        ["quarantined"],
    ),
    "a key that nobody knows": (
        lambda ward: ward.redis.set(f"{ward.keys.prefix}:surprise", "x"),
        ["unknown-key"],
    ),
    "a key that is no text": (
        lambda ward: ward.redis.set(f"{ward.keys.prefix}:job:".encode() + b"\xff", "x"),
        ["unknown-key"],
    ),
    "a job of an unknown status": (
        lambda ward: ward.redis.hset(ward.job("finished"), "status", "half-done"),
        ["not-understood"],
    ),
    "a hash that is no job": (
        lambda ward: ward.redis.hset(ward.keys.job(new_job_id()), "surprise", "x"),
        ["not-understood"],
    ),
}
