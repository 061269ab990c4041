"""Random graphs of jobs under failures, kills, cancels and retries: each begins in its turn, and all end.

The scripts are driven as workers and janitors drive them. Once as they are, and once so that a script sees to
one job at most and leaves the rest to janitors, as it is with the largest graphs. ``GRAPH_EXAMPLES`` sets how
many are tried, and a failure is made as small as it gets.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from uuid import uuid4

import pytest
import redis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as profile
from hypothesis import strategies as st

from coatcheck import scripts
from coatcheck.adapter import QueueAdapter
from coatcheck.errors import ConflictError
from coatcheck.job import CANCEL, RUN, Submission
from coatcheck.keys import Keys
from coatcheck.settings import Settings
from tests.coatcheck.conftest import WorkerByHand
from tests.support.invariants import violations
from worker_image.janitor import Janitor

EXAMPLES = os.environ.get("GRAPH_EXAMPLES")
PROFILE = profile(
    max_examples=int(EXAMPLES or 20),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=list(Phase) if EXAMPLES else [Phase.generate],
)
QUEUES = ("default", "other")
LEASE = 600
ENDED = {"finished", "failed", "stopped", "canceled"}


@dataclass(frozen=True)
class Node:
    """A job to be: the numbers of those that it comes after, and its options."""

    after: tuple[int, ...] = ()
    if_failed: str = CANCEL
    retries: int | None = None
    queue: str = "default"


@st.composite
def graphs(draw: st.DrawFn) -> list[Node]:
    """Graphs of up to 50 jobs without a cycle, some of them long, some wide."""
    size = draw(st.integers(2, 50))
    near = draw(st.sampled_from([1, 3, 50]))
    nodes = []
    for number in range(size):
        candidates = range(max(0, number - near), number)
        after = draw(st.lists(st.sampled_from(candidates), max_size=4, unique=True)) if candidates else []
        nodes.append(
            Node(
                tuple(after),
                draw(st.sampled_from([CANCEL, CANCEL, CANCEL, RUN])),
                draw(st.sampled_from([None, None, 0, 2])),
                draw(st.sampled_from(QUEUES)),
            )
        )
    return nodes


@dataclass
class Known:
    """What the test itself knows of a job, from what workers and clients were answered."""

    node: Node
    finished: bool = False
    ended: bool = False
    """Whether it ever had."""
    begun: int = 0
    canceled: bool = False
    """Whether a client did it last."""


@dataclass
class World:
    """A graph that was submitted, and those who work on it."""

    client: redis.Redis
    settings: Settings
    rng: random.Random
    nodes: list[Node]
    known: dict[str, Known] = field(default_factory=dict)
    running: list[tuple[WorkerByHand, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = Keys(self.settings.prefix)
        self.adapter = QueueAdapter(self.client, self.settings)
        self.janitor = Janitor(self.client, self.settings, QUEUES)
        runner = scripts.Scripts(self.client, self.settings.prefix)
        self.hands = [
            WorkerByHand(self.client, self.keys, runner, f"worker-{number}", LEASE) for number in range(3)
        ]

    def submit(self) -> None:
        """All at once in any order, or some of them later, after those that have begun by then."""
        ids: list[str] = []
        submissions = []
        for node in self.nodes:
            after = tuple(ids[number] for number in node.after)
            options = {"after": after, "if_failed": node.if_failed, "retries": node.retries}
            submissions.append(Submission("t", {}, node.queue, 60, 600, **options))  # type: ignore[arg-type]
            ids.append(submissions[-1].id)
            self.known[ids[-1]] = Known(node)
        self.ids = ids
        first = self.rng.choice([len(submissions), self.rng.randrange(1, len(submissions))])
        self.later = submissions[first:]
        at_once = submissions[:first]
        self.rng.shuffle(at_once)
        self.adapter.submit(at_once)

    def submit_more(self) -> None:
        if self.later:
            self.adapter.submit([self.later.pop(0)])

    # Workers

    def begin(self) -> None:
        for queue in self.rng.sample(QUEUES, 2):
            if self.client.llen(self.keys.queue(queue)):
                hand = self.rng.choice(self.hands)
                job_id, execution = hand.begin(queue)
                self.began(hand, job_id, execution)
                return

    def began(self, hand: WorkerByHand, job_id: str, execution: str) -> None:
        """Holds the begin of a run to what is known."""
        self.look()
        known = self.known[job_id]
        assert job_id not in {running for _, running, _ in self.running}, "it runs already"
        for number in known.node.after:
            before = self.known[self.ids[number]]
            assert before.finished if known.node.if_failed == CANCEL else before.ended, "it is not its turn"
        known.begun += 1
        self.running.append((hand, job_id, execution))

    def end(self, outcomes: tuple[str, ...]) -> None:
        if not self.running:
            return
        hand, job_id, execution = self.running.pop(self.rng.randrange(len(self.running)))
        following = self.rng.choice(["", uuid4().hex])
        queue = self.known[job_id].node.queue
        status = hand.end(job_id, execution, self.rng.choice(outcomes), queue=queue, following=following)
        self.over(job_id, status)
        if hand.next:
            self.began(hand, hand.next, following)

    def over(self, job_id: str, status: str) -> None:
        self.known[job_id].finished = status == "finished"

    def kill(self) -> None:
        """A worker is lost in the middle of a run, and a janitor notices."""
        if self.running:
            _, job_id, execution = self.running.pop(self.rng.randrange(len(self.running)))
            self.client.zadd(self.keys.leases, {f"{job_id}:{execution}": 1})
            self.tick()

    def tick(self) -> None:
        for job_id, status in self.janitor.tick():
            self.over(job_id, status)

    # Clients

    def cancel(self) -> None:
        job_id = self.rng.choice(self.ids[: len(self.ids) - len(self.later)])
        try:
            job = self.adapter.cancel(job_id)
        except ConflictError:
            return
        if job.ended:
            self.known[job_id].canceled = True
            self.over(job_id, "canceled")

    def retry(self) -> None:
        candidates = [job_id for job_id, status in self.statuses().items() if status in ENDED - {"finished"}]
        if not candidates:
            return
        job_id = self.rng.choice(candidates)
        try:
            self.adapter.retry(job_id)
        except ConflictError:  # it comes after one that has to be retried before
            return
        self.known[job_id].canceled = False

    def look(self) -> None:
        """See what has ended, whoever did it."""
        for job_id, status in self.statuses().items():
            self.known[job_id].ended |= status in ENDED

    def statuses(self) -> dict[str, str]:
        """By the hashes, of those that were submitted."""
        pipeline = self.client.pipeline(transaction=False)
        for job_id in self.ids:
            pipeline.hget(self.keys.job(job_id), "status")
        pairs = zip(self.ids, pipeline.execute(), strict=True)
        return {job_id: status.decode() for job_id, status in pairs if status is not None}

    # What follows

    def live(self, steps: int) -> None:
        """Let whatever may happen happen."""
        self.client.set(self.keys.swept, "9999999999")
        self.janitor.tick()
        what: list[Callable[[], object]] = [
            *[self.begin] * 4,
            *[lambda: self.end(("finished", "finished", "finished", "failed", "stopped", "interrupted"))] * 4,
            self.kill,
            self.cancel,
            *[self.retry] * 2,
            self.submit_more,
            self.tick,
        ]
        for _ in range(steps):
            self.rng.choice(what)()
            self.look()
        assert violations(self.client, self.keys.prefix) == []

    def drain(self) -> None:
        """Let workers and a janitor work until nothing is left to do."""
        while self.later:
            self.submit_more()
        for _ in range(40 * len(self.ids)):
            if set(self.statuses().values()) <= ENDED:
                return
            self.tick()
            self.begin()
            self.end(("finished", "finished", "failed"))
        pytest.fail(f"these never end: {self.statuses()}")

    def check(self) -> None:
        """What has become of each is what has become of those that it comes after."""
        assert violations(self.client, self.keys.prefix) == []
        statuses = self.statuses()
        for job_id, known in self.known.items():
            job, before = self.adapter.get(job_id), [statuses[self.ids[each]] for each in known.node.after]
            in_vain = known.node.if_failed == CANCEL and any(status != "finished" for status in before)
            told = f"{job.status}, canceled by a client: {known.canceled}, after {before}"
            if known.canceled:
                assert job.status == "canceled", told
            else:
                assert (job.status == "canceled") == in_vain, told
                assert (job.error is not None and job.error.type == "DependencyFailed") == in_vain, told
            assert job.attempt <= known.begun <= job.attempt + 100


@pytest.fixture(params=[None, 1], ids=["at once", "one by one"])
def limited(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """How many dependencies a script looks at, before it leaves the rest to janitors."""
    read = scripts.source
    if request.param is not None:
        assert "looks < 1000" in read("settle")
        monkeypatch.setattr(scripts, "source", lambda name: read(name).replace("looks < 1000", "looks < 1"))
        monkeypatch.setattr("worker_image.janitor.SETTLE_CALLS", 2)
    scripts._digest.cache_clear()
    yield
    scripts._digest.cache_clear()


@pytest.mark.usefixtures("limited")
@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_each_job_of_a_graph_begins_in_its_turn_and_all_end(client: redis.Redis, settings: Settings) -> None:
    @PROFILE
    @given(graphs(), st.integers(0, 2**32), st.integers(0, 150))
    def play(nodes: list[Node], seed: int, steps: int) -> None:
        own = replace(settings, namespace=f"t{uuid4().hex[:12]}", worker_lease=LEASE)
        world = World(client, own, random.Random(seed), nodes)
        world.submit()
        world.live(steps)
        world.drain()
        world.check()
        client.delete(*client.scan_iter(f"{world.keys.prefix}*", count=10_000))

    play()
