"""A model of a job's life beside the real one: random steps of clients, workers and janitors agree with it.

The model moves a job only by a transition of ``coatcheck/transitions.py``, and after each step Redis must be
as the model says, so the scripts do what the table tells and nothing else. ``MODEL_EXAMPLES`` sets how many
runs are tried, and a failure is made as short as it gets; without it the runs are the same each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from inspect import signature
from typing import Any
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import TaskSpec
from coatcheck.connection import as_text
from coatcheck.errors import ConflictError, IdempotencyMismatchError, UnknownJobError
from coatcheck.job import CANCEL, ENDED_STATUSES, RETRYABLE_STATUSES, RUN, JobStatus, Submission, utcnow
from coatcheck.keys import Keys
from coatcheck.recovery import MAX_LOST
from coatcheck.schedule import Schedule
from coatcheck.scripts import FOLDER, Scripts
from coatcheck.settings import Settings
from coatcheck.ticker import Ticker
from coatcheck.transitions import TRANSITIONS, transition
from tests.coatcheck.conftest import WorkerByHand
from tests.support.invariants import violations
from worker_image.janitor import Janitor

EXAMPLES = os.environ.get("MODEL_EXAMPLES")
PROFILE = profile(
    max_examples=int(EXAMPLES or 30),
    stateful_step_count=30,
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=list(Phase) if EXAMPLES else [Phase.generate],  # making a failure shorter takes minutes
)
LEASE = 600
"""Seconds: no lease ends by itself while a test runs."""
PAST = "1.000000"
OUTCOMES = ("finished", "failed", "stopped", "interrupted", "returned", "suspect", "unknown")

GIVEN_BACK = {"interrupted": "interrupt", "returned": "give back", "suspect": "suspect"}

Pick = st.integers(0, 1000)


@dataclass
class ModelJob:
    """What the model knows of a job. ``status`` None: not there, or no longer."""

    id: str
    status: JobStatus | None = None
    retries: int | None = None
    retries_left: int = 0
    attempt: int = 0
    interrupted: int = 0
    lost: int = 0
    stop_requested: bool = False
    execution: str = ""
    """The run that holds the lease."""
    lease_over: bool = False
    due: bool = False
    seen_taken: str = ""
    """When a janitor first saw it among the taken jobs: 'now' or 'long ago'."""
    unknown_since: str = ""
    ended: tuple[str, str] = ("", "")
    """The last run that ended, and what it was answered."""
    log: str = ""
    result: Any = None
    told: list[str] = field(default_factory=list)
    """What those who wait for its end must have heard."""
    after: list[str] = field(default_factory=list)
    run_all_the_same: bool = False
    given_up: bool = False
    """Whether it was canceled because of one that it comes after."""
    released: bool = False
    """Whether it was on its queue before."""
    later: bool = False

    @property
    def waits(self) -> bool:
        """Whether something happens to it when time passes."""
        return (
            (self.status is JobStatus.STARTED and not self.lease_over)
            or (self.status is JobStatus.SCHEDULED and not self.due)
            or (self.status is JobStatus.QUEUED and self.seen_taken == "now")
            or (self.status is not None and self.unknown_since == "now")
        )

    def go(self, name: str) -> None:
        """Move by that transition of the table, which must lead from here."""
        step = transition(name)
        assert step.source == self.status, f"{name} does not lead from {self.status}"
        self.status = step.target
        if step.source != step.target and step.target in ENDED_STATUSES:
            self.told.append(str(step.target))
        SEEN.add(name)


SEEN: set[str] = set()
"""The transitions that happened."""


@dataclass
class ModelWorker:
    """A worker by hand, and the run that it believes to have."""

    hand: WorkerByHand
    taken: str = ""
    job: str = ""
    execution: str = ""

    @property
    def idle(self) -> bool:
        return not self.taken and not self.job

    def forget(self) -> None:
        self.taken = self.job = self.execution = ""


@dataclass
class ModelQueue:
    """The ids on a queue and on its list of taken jobs, in order."""

    waiting: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)

    def drop(self, job_id: str) -> None:
        for ids in (self.waiting, self.taken):
            if job_id in ids:
                ids.remove(job_id)


class Jobs(RuleBasedStateMachine):
    """The real system and the model, step by step."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        super().__init__()
        self.settings = replace(settings, namespace=f"t{uuid4().hex[:12]}", worker_lease=LEASE)
        self.client, self.keys = client, Keys(self.settings.prefix)
        self.adapter = QueueAdapter(client, self.settings)
        self.jobs: dict[str, ModelJob] = {}
        self.queue = ModelQueue()
        self.submitted: dict[str, tuple[str, list[str]]] = {}
        self.past: list[tuple[ModelWorker, str, str]] = []
        """Runs that were begun, by whom, the execution and the job: their workers may come back late."""
        self.line = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self.line.psubscribe(self.keys.ended("*"))
        self.line.subscribe(self.keys.waiter("all"))
        scripts = Scripts(client, self.settings.prefix)
        self.workers = [
            ModelWorker(WorkerByHand(client, self.keys, scripts, f"worker-{number}", LEASE))
            for number in range(3)
        ]

    @initialize()
    def first_sweep(self) -> None:
        """Somebody has looked for ended leases just now."""
        self.tick()

    def teardown(self) -> None:
        self.line.close()
        self.client.delete(*self.client.scan_iter(f"{self.keys.prefix}*", count=10_000))

    # Clients

    @precondition(lambda self: len(self.jobs_that(lambda job: job.status)) < 8)
    @rule(
        count=st.integers(1, 3),
        retries=st.sampled_from([None, 0, 1, 2]),
        later=st.booleans(),
        key=st.sampled_from([None, None, "one", "two"]),
    )
    def submit(
        self, count: int = 1, retries: int | None = None, later: bool = False, key: Any = None
    ) -> None:
        at = utcnow() + timedelta(hours=1) if later else None
        options: dict[str, Any] = {"retries": retries, "at": at, "owner": "ann" if count > 1 else None}
        batch = [Submission("t", {}, "default", 60, 600, **options) for _ in range(count)]
        fingerprint = f"{count} {retries} {later}"
        known, ids = self.submitted.get(key, ("", []))
        kept = [job_id for job_id in ids if self.jobs[job_id].status is not None]
        if key is not None and kept and known != fingerprint:
            with pytest.raises(IdempotencyMismatchError):
                self.adapter.submit(batch, idempotency_key=key, fingerprint=fingerprint)
            return
        answer = self.adapter.submit(batch, idempotency_key=key, fingerprint=fingerprint)
        if key is not None and kept:
            assert [job.id for job in answer] == kept
            return
        for each in batch:
            job = self.jobs[each.id] = ModelJob(each.id, None, retries, retries or 0)
            job.go("submit for later" if later else "submit")
            if not later:
                self.enqueue(job)
        assert [job.id for job in answer] == [each.id for each in batch]
        if key is not None:
            self.submitted[key] = (fingerprint, [each.id for each in batch])

    @precondition(lambda self: 0 < len(self.jobs_that(lambda job: job.status)) < 8)
    @rule(pick=Pick, other=Pick, run=st.booleans(), later=st.booleans(), retries=st.sampled_from([None, 1]))
    def submit_after(
        self, pick: int, other: int | None = None, run: bool = False, later: bool = False, retries: Any = None
    ) -> None:
        """After one job or two, whatever they are."""
        kept = self.jobs_that(lambda job: job.status)
        chosen = (kept[each % len(kept)].id for each in (pick, other) if each is not None)
        after = list(dict.fromkeys(chosen))
        at = utcnow() + timedelta(hours=1) if later else None
        submission = Submission(
            "t", {}, "default", 60, 600, retries, at=at, after=tuple(after), if_failed=RUN if run else CANCEL
        )
        job = self.jobs[submission.id] = ModelJob(submission.id, None, retries, retries or 0)
        job.after, job.run_all_the_same, job.later = after, run, later
        expected = self.verdict(job)
        if expected == "never":
            job.go("submit in vain")
            job.given_up = True
        elif expected == "wait":
            job.go("submit after others")
        else:
            job.go("submit for later" if later else "submit")
            if not later:
                self.enqueue(job)
        [answer] = self.adapter.submit([submission])
        assert (answer.status, answer.after) == (job.status, tuple(after))

    @precondition(lambda self: len(self.jobs_that(lambda job: job.status)) < 8)
    @rule()
    def come_due(self) -> None:
        # A schedule that nobody has seen for long, and that has a secret of its own.
        self.client.delete(self.keys.schedule("t"))
        self.client.hset(self.keys.schedule("t"), "last", "0")
        task = TaskSpec("t", "", "", {}, schedule=Schedule(every=60))
        assert Ticker(self.client, self.settings, [task], None).tick() == [("t", "new")]
        job_id = as_text(self.client.hget(self.keys.schedule("t"), "job"))
        job = self.jobs[job_id] = ModelJob(job_id, None, None, 0)
        job.go("come due")
        self.queue.waiting.append(job_id)

    @precondition(lambda self: self.jobs)
    @rule(pick=Pick)
    def cancel(self, pick: int) -> None:
        job = self.any_job(pick)
        if job.status is None or job.status in ENDED_STATUSES:
            with pytest.raises(UnknownJobError if job.status is None else ConflictError):
                self.adapter.cancel(job.id)
            return
        if job.status is JobStatus.STARTED:
            job.go("ask to stop")
            job.stop_requested = True
        else:
            job.go(f"cancel {job.status}")
            job.seen_taken = ""
            self.queue.drop(job.id)
            job.due = False
            self.settle(job)
        answer = self.adapter.cancel(job.id)
        assert answer.status == job.status
        assert answer.stop_requested == (job.status is JobStatus.STARTED)

    @precondition(lambda self: self.jobs)
    @rule(pick=Pick)
    def retry(self, pick: int) -> None:
        job = self.any_job(pick)
        if job.status not in RETRYABLE_STATUSES:
            with pytest.raises(UnknownJobError if job.status is None else ConflictError):
                self.adapter.retry(job.id)
            return
        may = self.verdict(job) if job.run_all_the_same or not job.released else "on"
        if may == "never":
            with pytest.raises(ConflictError, match="after"):
                self.adapter.retry(job.id)
            return
        job.go(f"retry {job.status}" + (" after others" if may == "wait" else ""))
        self.revive(job)
        job.later = False
        if may == "on":
            self.enqueue(job)
        self.settle(job)
        assert self.adapter.retry(job.id).status == job.status

    @precondition(lambda self: self.jobs)
    @rule(pick=Pick)
    def read(self, pick: int) -> None:
        job = self.any_job(pick)
        if job.status is None:
            for method in (self.adapter.get, self.adapter.log):
                with pytest.raises(UnknownJobError):
                    method(job.id)
            return
        found, page = self.adapter.get(job.id), self.adapter.log(job.id)
        assert found.result == (job.result if job.status is JobStatus.FINISHED else None)
        assert (found.error is not None) == (
            job.status in (JobStatus.FAILED, JobStatus.STOPPED) or job.given_up
        )
        assert found.stop_requested == (job.status is JobStatus.STARTED and job.stop_requested)
        assert (page.text, page.ended) == (job.log, job.status in ENDED_STATUSES)

    # Workers

    @precondition(lambda self: self.queue.waiting and self.worker_that(lambda worker: worker.idle))
    @rule()
    def take(self) -> None:
        worker = self.worker_that(lambda worker: worker.idle)
        assert worker is not None
        worker.taken = worker.hand.take()
        assert worker.taken == self.queue.waiting.pop(0)
        self.queue.taken.append(worker.taken)
        self.jobs[worker.taken].go("take")

    @precondition(lambda self: self.worker_that(lambda worker: worker.taken))
    @rule(again=st.booleans())
    def begin(self, again: bool = False) -> None:
        """``again``: the answer is lost, and the worker asks once more."""
        worker = self.worker_that(lambda worker: worker.taken)
        assert worker is not None
        job, execution = self.jobs[worker.taken], uuid4().hex
        allowed = job.id in self.queue.taken
        if allowed:
            job.go("begin")
            self.queue.taken.remove(job.id)
            self.begun(worker, job, execution)
        for _ in range(1 + again):
            assert worker.hand.begin_taken(job.id, execution) == allowed
        worker.forget()
        if allowed:
            worker.job, worker.execution = job.id, execution

    @precondition(lambda self: self.past)
    @rule(pick=Pick, late=st.booleans(), text=st.sampled_from(["", "line\n"]))
    def renew(self, pick: int, late: bool = False, text: str = "") -> None:
        """``late``: by the worker of any run that there ever was, ended or given up."""
        worker, execution, job = self.run(pick, late)
        expected = "lost"
        if self.holds(job, execution):
            job.go("renew")
            job.lease_over = False
            job.log += text
            expected = "stop" if job.stop_requested else "ok"
        assert worker.hand.report(job.id, execution, text, [0.5, "half"]) == expected

    @precondition(lambda self: self.past)
    @rule(
        pick=Pick,
        late=st.booleans(),
        outcome=st.sampled_from(OUTCOMES),
        delay=st.sampled_from([0, 60]),
        again=st.booleans(),
        further=st.booleans(),
        ahead=st.integers(0, 2),
    )
    def finish(
        self,
        pick: int,
        outcome: str = "finished",
        late: bool = False,
        delay: int = 0,
        again: bool = False,
        further: bool = False,
        ahead: int = 0,
    ) -> None:
        """``further``: a worker begins the next job in the same step, if one waits; ``ahead``: and more."""
        worker, execution, job = self.run(pick, late)
        following = uuid4().hex if further and worker.execution == execution else ""
        behind = [uuid4().hex for _ in range(ahead)] if worker.execution == execution else []
        coming, begun = None, {}
        if outcome == "unknown":
            delay = 60
        if self.holds(job, execution):
            self.end(job, outcome, delay)
            if job.status in ENDED_STATUSES:
                self.settle(job)
            job.ended = (execution, str(job.status))
            job.execution, job.lease_over, job.stop_requested = "", False, False
            coming = self.begin_next(worker, following)
            for name in behind:
                waiting = self.begin_next(worker, name, ahead=True)
                if waiting is None:
                    break
                begun[name] = waiting.id
        expected = job.ended[1] if job.ended[0] == execution else "lost"
        for _ in range(1 + again):
            how: dict[str, Any] = {"result": job.id, "delay": delay, "following": following}
            how["ahead"] = ",".join(behind)
            assert worker.hand.end(job.id, execution, outcome, **how) == expected
            assert worker.hand.begun == begun | ({following: coming.id} if coming is not None else {})
        if worker.execution == execution:
            worker.forget()
        # What was begun ahead is ended by its worker as any run of the past is.
        if coming is not None:
            worker.job, worker.execution = coming.id, following

    def begin_next(self, worker: ModelWorker, execution: str, ahead: bool = False) -> ModelJob | None:
        """The job that a worker begins behind the one that it ended, as that execution ('': none)."""
        if not execution or not self.queue.waiting:
            return None
        job = self.jobs[self.queue.waiting[0]]
        if ahead and (job.retries == 0 or job.lost):
            return None
        self.queue.waiting.pop(0)
        job.go("begin ahead" if ahead else "begin next")
        self.begun(worker, job, execution)
        return job

    def begun(self, worker: ModelWorker, job: ModelJob, execution: str) -> None:
        """What the begin of a run makes of a job."""
        job.attempt += 1
        job.execution, job.lease_over, job.seen_taken = execution, False, ""
        self.past.append((worker, execution, job.id))

    def end(self, job: ModelJob, outcome: str, delay: int) -> None:
        """What the end of its run makes of a job."""
        runs_again = outcome in ("interrupted", "returned", "suspect", "unknown") or (
            outcome == "failed" and job.retries_left > 0
        )
        if job.stop_requested and runs_again:
            outcome = "stopped"
        if outcome != "unknown":
            job.unknown_since = ""
        if outcome == "finished":
            job.go("finish")
            job.result = job.id
        elif outcome == "stopped":
            job.go("stop")
        elif outcome in GIVEN_BACK:
            job.go(GIVEN_BACK[outcome])
            job.attempt -= 1
            job.interrupted += outcome != "returned"
            job.lost += outcome == "suspect"
            self.queue.waiting.insert(0, job.id)
        elif outcome == "unknown" and job.unknown_since == "long ago":
            job.go("give up its task")
            job.retries_left = 0
        elif outcome == "unknown":
            job.go("wait for its task")
            job.attempt -= 1
            job.unknown_since = "now"
        elif job.retries_left == 0:
            job.go("fail")
        else:
            job.go("retry later" if delay else "retry now")
            job.retries_left -= 1
            if not delay:
                self.queue.waiting.append(job.id)

    @precondition(lambda self: self.worker_that(lambda worker: not worker.idle))
    @rule()
    def die(self) -> None:
        """A worker is killed, whatever it does."""
        worker = self.worker_that(lambda worker: not worker.idle)
        assert worker is not None
        worker.forget()

    # Janitors and time

    @rule()
    def tick(self) -> None:
        expected = self.promote()
        expected_swept = self.sweep()
        swept = Janitor(self.client, self.settings, ["default"]).tick()
        assert swept == expected_swept, expected

    def promote(self) -> list[str]:
        due = sorted(job.id for job in self.jobs.values() if job.due)
        for job_id in due:
            self.jobs[job_id].go("promote")
            self.jobs[job_id].due = False
            self.enqueue(self.jobs[job_id])
        for job_id in list(self.queue.taken):
            job = self.jobs[job_id]
            if job.seen_taken == "long ago":
                job.go("put back")
                job.seen_taken = ""
                self.queue.taken.remove(job_id)
                self.queue.waiting.insert(0, job_id)
            else:
                job.seen_taken = "now"
        return due

    def sweep(self) -> list[tuple[str, str]]:
        swept = []
        over = []
        for job in sorted(self.jobs.values(), key=lambda job: job.id):
            if not job.lease_over:
                continue
            job.lost += 1
            job.interrupted += 1
            if job.stop_requested:
                job.go("stop lost")
            elif job.retries == 0:
                job.go("lose")
            elif job.lost >= MAX_LOST:
                job.go("poison")
            else:
                job.go("recover")
                self.queue.waiting.insert(0, job.id)
            job.execution, job.lease_over, job.stop_requested = "", False, False
            swept.append((job.id, str(job.status)))
            if job.status in ENDED_STATUSES:
                over.append(job)
        self.settle(*over)
        return swept

    # What comes after others

    def verdict(self, job: ModelJob) -> str:
        """What the jobs that it comes after let it do."""
        states = [self.jobs[each].status for each in job.after]
        if not job.run_all_the_same and any(
            state is None or state in ENDED_STATUSES - {JobStatus.FINISHED} for state in states
        ):
            return "never"
        return "wait" if any(state is not None and state not in ENDED_STATUSES for state in states) else "on"

    def settle(self, *changed: ModelJob) -> None:
        """What becomes of those that come after jobs that ended or begin anew, and after these, and so on."""
        unsettled = {each.id for job in changed for each in self.dependents(job)}
        while unsettled:
            job = self.jobs[min(unsettled)]
            unsettled.discard(job.id)
            if job.given_up and self.verdict(job) != "never":
                job.go("wait again")
                self.revive(job)
                unsettled |= {each.id for each in self.dependents(job)}
            if job.status is not JobStatus.DEFERRED or not job.after:
                continue
            may = self.verdict(job)
            if may == "never":
                job.go("cancel after another")
                job.given_up = True
                unsettled |= {each.id for each in self.dependents(job)}
            elif may == "on":
                job.go("set free for later" if job.later else "set free")
                if not job.later:
                    self.enqueue(job)

    def dependents(self, job: ModelJob) -> list[ModelJob]:
        return self.jobs_that(lambda other: job.id in other.after)

    def needed(self, job: ModelJob) -> bool:
        """Whether it is kept since its result may be needed."""
        return job.status is JobStatus.FINISHED and any(
            other.status is not None and other.status not in ENDED_STATUSES for other in self.dependents(job)
        )

    def revive(self, job: ModelJob) -> None:
        job.retries_left = job.retries or 0
        job.interrupted = job.lost = 0
        job.stop_requested, job.seen_taken, job.unknown_since = False, "", ""
        job.given_up = False

    def enqueue(self, job: ModelJob) -> None:
        job.released = True
        self.queue.waiting.append(job.id)

    @precondition(lambda self: self.jobs_that(lambda job: job.waits))
    @rule(pick=Pick)
    def time_passes(self, pick: int) -> None:
        """Whatever a job waits for has been waited for."""
        waiting = self.jobs_that(lambda job: job.waits)
        job = waiting[pick % len(waiting)]
        key = self.keys.job(job.id)
        if job.status is JobStatus.STARTED:
            job.lease_over = True
            self.client.zadd(self.keys.leases, {f"{job.id}:{job.execution}": PAST})
        elif job.status is JobStatus.SCHEDULED:
            job.due = True
            self.client.zadd(self.keys.registry("scheduled", "default"), {job.id: PAST})
            self.client.hset(key, "scheduled_for", PAST)
        if job.seen_taken:
            job.seen_taken = "long ago"
            self.client.hset(key, "taken_at", PAST)
        if job.unknown_since:
            job.unknown_since = "long ago"
            self.client.hset(key, "unknown_since", PAST)

    @precondition(lambda self: self.jobs_that(self.may_expire))
    @rule(pick=Pick)
    def expire(self, pick: int) -> None:
        """A job's time to live is over; a janitor drops what lists it."""
        ended = self.jobs_that(self.may_expire)
        job = ended[pick % len(ended)]
        registry = {"stopped": "failed"}.get(str(job.status), str(job.status))
        job.go(f"expire {job.status}")
        job.ended = ("", "")
        job.given_up = False
        keys = self.keys
        for key in (
            keys.job(job.id),
            keys.results(job.id),
            keys.log(job.id),
            keys.dependents(job.id),
            keys.dependencies(job.id),
        ):
            assert self.client.pexpire(key, 0) or key != self.keys.job(job.id)
        self.client.zadd(self.keys.registry(registry, "default"), {job.id: PAST})

    @precondition(lambda self: self.jobs_that(lambda job: job.lease_over))
    @rule()
    def outage(self) -> None:
        """Redis was away: nobody could renew a lease, so the next sweep gives each a new term."""
        self.client.set(self.keys.swept, PAST)
        for job in self.jobs.values():
            job.lease_over = False
        self.tick()

    @precondition(lambda self: len(self.queue.waiting) > 3)
    @rule()
    def defer(self) -> None:
        """RQ's own tools put a job aside, of which nobody knows what it waits for."""
        if self.jobs[self.queue.waiting[-1]].after:
            return
        job = self.jobs[self.queue.waiting.pop()]
        job.status = JobStatus.DEFERRED
        self.client.rpop(self.keys.queue("default"))
        self.client.hset(self.keys.job(job.id), "status", "deferred")
        self.client.zadd(self.keys.registry("deferred", "default"), {job.id: 1e12})

    # After each step

    @invariant()
    def nothing_is_wrong_in_redis(self) -> None:
        expired = [job.id for job in self.jobs.values() if job.status is None]
        assert violations(self.client, self.keys.prefix, expired=expired) == []

    @invariant()
    def redis_and_model_agree(self) -> None:
        found = {job.id: job for job in self.adapter.list(limit=200).jobs}
        look = self.client.pipeline(transaction=False)
        look.lrange(self.keys.queue("default"), 0, -1)
        look.lrange(self.keys.intermediate("default"), 0, -1)
        kept = {job.id: job for job in self.jobs.values() if job.status is not None}
        assert {job_id: job.status for job_id, job in found.items()} == {
            job_id: job.status for job_id, job in kept.items()
        }
        for job_id, job in kept.items():
            told = found[job_id]
            assert (told.attempt, told.interrupted) == (job.attempt, job.interrupted)
            look.hget(self.keys.job(job_id), "retries_left")
        waiting, taken, *left = look.execute()
        assert [as_text(member) for member in waiting] == self.queue.waiting
        assert [as_text(member) for member in taken] == self.queue.taken
        assert [int(value or 0) for value in left] == [job.retries_left for job in kept.values()]

    @invariant()
    def who_waits_for_an_end_hears_of_it_once(self) -> None:
        self.client.publish(self.keys.waiter("all"), "said")
        while True:
            heard = self.line.get_message(timeout=5)
            if heard is not None and heard["type"] == "message":
                break
            if heard is not None:
                job_id = as_text(heard["channel"]).removeprefix(self.keys.ended(""))
                assert self.jobs[job_id].told.pop(0) == as_text(heard["data"])
        assert [job.id for job in self.jobs.values() if job.told] == []

    # Choosing

    def may_expire(self, job: ModelJob) -> bool:
        return job.status in ENDED_STATUSES and not self.needed(job)

    def any_job(self, pick: int) -> ModelJob:
        return list(self.jobs.values())[pick % len(self.jobs)]

    def jobs_that(self, fits: Callable[[ModelJob], object]) -> list[ModelJob]:
        return [job for job in self.jobs.values() if fits(job)]

    def worker_that(self, fits: Callable[[ModelWorker], object]) -> ModelWorker | None:
        return next((worker for worker in self.workers if fits(worker)), None)

    def run(self, pick: int, late: bool) -> tuple[ModelWorker, str, ModelJob]:
        """A run that goes on, if there is one, or with ``late`` any that there ever was."""
        current = [run for run in self.past if self.holds(self.jobs[run[2]], run[1])]
        runs = self.past if late or not current else current
        worker, execution, job_id = runs[pick % len(runs)]
        return worker, execution, self.jobs[job_id]

    @staticmethod
    def holds(job: ModelJob, execution: str) -> bool:
        return job.status is JobStatus.STARTED and job.execution == execution


@pytest.fixture
def make_machine(settings: Settings, client: redis.Redis) -> Callable[[], Jobs]:
    return lambda: Jobs(client, settings)


@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_random_steps_agree_with_the_model(make_machine: Callable[[], Jobs]) -> None:
    run_state_machine_as_test(make_machine, settings=PROFILE)  # type: ignore[arg-type]


def test_every_transition_of_the_table_happens_as_it_says(make_machine: Callable[[], Jobs]) -> None:
    """A story through all of them; each step is held to the model, as the random ones are."""
    SEEN.clear()
    machine = make_machine()
    machine.first_sweep()

    def do(*steps: str, **options: Any) -> None:
        """Rules by name, about the newest job that each is for."""
        for name in steps:
            wanted = signature(getattr(Jobs, name)).parameters
            last = {"pick": -1} if "pick" in wanted else {}
            getattr(machine, name)(**last, **options)
            machine.nothing_is_wrong_in_redis()
            machine.redis_and_model_agree()

    do("submit", "take", "begin", "renew", "finish", "expire")
    do("come_due", "take", "begin", "finish", "expire")
    do("submit", "submit", "take", "begin")
    do("finish", further=True, again=True)
    do("finish", further=True)
    do("submit", "submit", "submit", "take", "begin")
    do("finish", further=True, ahead=1, again=True)
    do("finish", outcome="returned")
    do("finish", outcome="suspect")
    do(*["take", "begin", "finish"] * 2)
    do(*["expire"] * 5)
    do("submit", "take", "begin")
    do("finish", outcome="failed")
    do("retry", "cancel", "retry", "cancel", "expire")
    do("submit", later=True)
    do("cancel")
    do("submit", later=True)
    do("time_passes", "tick", "take", "begin", "cancel")
    do("finish", outcome="stopped")
    do("retry", "take", "tick", "time_passes", "tick", "take", "tick", "begin")
    do("finish", outcome="interrupted")
    do("take", "begin")
    do("finish", outcome="unknown")
    do("time_passes", "tick", "take", "begin")
    do("finish", outcome="unknown")
    do("expire")
    do("submit", retries=2)
    do("take", "begin")
    do("finish", outcome="failed")
    do("take", "begin")
    do("finish", outcome="failed", delay=60)
    do("time_passes", "tick", "take", "begin")
    do("finish", outcome="stopped")
    do("expire")
    do("submit", *["take", "begin", "die", "time_passes", "tick"] * MAX_LOST)
    do("submit", retries=0)
    do("take", "begin", "die", "time_passes", "tick")
    do("submit", "take", "begin", "cancel", "die", "time_passes", "tick")
    do("submit", count=4)
    do("defer", "cancel")
    # The queue is worked off first, so that what follows begins at once.
    do(*["take", "begin", "finish"] * 3)
    do(*["expire"] * 6)
    after_others(machine, do)
    assert {each.name for each in TRANSITIONS} == SEEN
    machine.teardown()


def after_others(machine: Jobs, do: Callable[..., None]) -> None:
    """The part of the story in which jobs come after others."""
    do("submit", "submit_after", "take", "begin", "finish", "take", "begin", "finish")
    do("submit_after")
    do("cancel")
    do("submit_after")
    do(*["expire"] * 4)
    do("submit")
    do("submit_after", later=True)
    do("take", "begin", "finish", "cancel")
    do(*["expire"] * 2)
    do("submit", "submit_after", "take", "begin")
    do("finish", outcome="failed")
    first, second = len(machine.jobs) - 2, len(machine.jobs) - 1
    machine.retry(first)
    machine.cancel(second)
    machine.retry(second)
    for outcome in ("failed", "stopped"):
        machine.cancel(first)
        do("submit_after", run=True)  # after the second one, which is canceled
        do("take", "begin")
        do("finish", outcome=outcome)
        machine.retry(first)
        do("retry", "cancel")
        machine.expire(-1)
    machine.nothing_is_wrong_in_redis()
    machine.redis_and_model_agree()


def test_workers_that_gave_a_job_back_do_not_make_it_poisonous(make_machine: Callable[[], Jobs]) -> None:
    machine = make_machine()
    machine.first_sweep()
    machine.submit()
    for _ in range(MAX_LOST):
        machine.take()
        machine.begin()
        machine.finish(0, "interrupted")
    machine.take()
    machine.begin()
    machine.time_passes(0)
    machine.tick()
    assert [(job.status, job.interrupted) for job in machine.jobs.values()] == [("queued", MAX_LOST + 1)]
    machine.redis_and_model_agree()
    machine.teardown()


@pytest.mark.parametrize("outcome", ["interrupted", "unknown", "failed"])
def test_a_wish_to_stop_outlives_a_run_that_would_begin_again(
    outcome: str, make_machine: Callable[[], Jobs]
) -> None:
    machine = make_machine()
    machine.submit(retries=2)
    machine.take()
    machine.begin()
    machine.cancel(0)
    machine.finish(0, outcome)
    assert [job.status for job in machine.jobs.values()] == [JobStatus.STOPPED]
    machine.nothing_is_wrong_in_redis()
    machine.redis_and_model_agree()
    machine.teardown()


def test_the_table_names_scripts_that_there_are() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.lua")}
    for each in TRANSITIONS:
        assert each.script in scripts or each.script.isupper(), each
    assert len({each.name for each in TRANSITIONS}) == len(TRANSITIONS)
