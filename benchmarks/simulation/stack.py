"""The stack while jobs come: a queue, containers that start, run jobs and end, and what scales them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import simpy

from benchmarks import prices
from benchmarks.simulation.load import MINUTE, SEED, Job
from benchmarks.simulation.scaling import Figures, Policy

START_SECONDS = (40.0, 90.0)
"""How long Fargate takes from the request of a container until its workers take jobs: anything between."""
METRIC_DELAY = MINUTE
"""Seconds from the publishing of a figure until alarms act on it: its period has to end first."""
PERIOD = MINUTE
"""Seconds between two publishings."""
PATIENCE = 20
"""How many times its length a run may take."""

Process = Generator[simpy.Event, Any, None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The scalable target: fewest and most containers."""

    minimum: int
    maximum: int


@dataclass(slots=True)
class Container:
    """A container with one worker process."""

    launched: float
    up: bool = False
    busy: bool = False
    leaving: bool = False
    ended: float | None = None
    wake: simpy.Event | None = None
    """What an idle worker waits for."""


@dataclass(slots=True)
class Outcome:
    """What a run came to. Times in seconds."""

    waits: list[float] = field(default_factory=list)
    """Of each job, in the order in which they began."""
    ran: list[int] = field(default_factory=list)
    """The jobs' places in the load, in the order in which they ended."""
    charged: float = 0.0
    """Seconds of containers that Fargate charges."""
    minutes: list[tuple[int, int]] = field(default_factory=list)
    """Each minute: jobs that wait, containers that are up."""

    def percentile(self, share: float) -> float:
        """The wait that this share of the jobs did not exceed (nearest rank); 0 without jobs."""
        ordered = sorted(self.waits)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0

    def late(self, accepted: float) -> int:
        """Jobs that waited longer than was accepted."""
        return sum(wait > accepted for wait in self.waits)

    @property
    def hours(self) -> float:
        """Hours of containers that are charged."""
        return self.charged / 3600

    def cost(self, vcpu: float, gigabytes: float) -> float:
        """What these containers cost on Fargate, in USD."""
        return self.hours * prices.container_hour(vcpu, gigabytes)


class Stack:
    """Runs a load. Takes the jobs, the bounds and policies of the scaling, and the length in seconds.

    ``cpu_share``: how much of its container's CPU a job uses while it runs.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        bounds: Bounds,
        policies: Sequence[Policy],
        length: float,
        *,
        cpu_share: float = 1.0,
        seed: int = SEED,
        start_seconds: Callable[[Random], float] = lambda random: random.uniform(*START_SECONDS),
    ) -> None:
        self._jobs = jobs
        self._bounds = bounds
        self._policies = policies
        self._length = length
        self._cpu_share = cpu_share
        self._start_seconds = start_seconds
        self._random = Random(seed)
        self._env = simpy.Environment()
        self._queue: deque[int] = deque()
        self._containers: list[Container] = []
        self._idle: deque[Container] = deque()
        self._wanted = 0
        self._busy, self._up = 0, 0
        self._area = [0.0, 0.0]  # seconds of busy containers and of those that are up, since the last minute
        self._measured = 0.0
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Until the length is over and the last job has ended. Raises RuntimeError: some never run."""
        self._want(self._bounds.minimum, launched_before=True)
        self._env.process(self._arrive())
        self._env.process(self._scale())
        self._env.run(until=self._length)
        while len(self._outcome.ran) < len(self._jobs):
            if self._env.now > PATIENCE * self._length:
                raise RuntimeError(f"{len(self._queue)} jobs wait for a container that never comes")
            self._env.run(until=self._env.now + PERIOD)
        for container in self._containers:
            self._charge(container)
        return self._outcome

    def _arrive(self) -> Process:
        for place, job in enumerate(self._jobs):
            if job.arrives > self._env.now:
                yield self._env.timeout(job.arrives - self._env.now)
            self._queue.append(place)
            if self._idle:
                self._rouse(self._idle.popleft())

    def _rouse(self, container: Container) -> None:
        assert container.wake is not None
        container.wake.succeed()
        container.wake = None

    def _work(self, container: Container, start: float) -> Process:
        env, outcome = self._env, self._outcome
        yield env.timeout(start)
        if container.ended is not None:
            return
        self._count(up=1)
        container.up = True
        while not container.leaving:
            if not self._queue:
                container.wake = env.event()
                self._idle.append(container)
                yield container.wake
                continue
            place = self._queue.popleft()
            job = self._jobs[place]
            outcome.waits.append(env.now - job.arrives)
            self._count(busy=1)
            container.busy = True
            yield env.timeout(job.runs)
            self._count(busy=-1)
            container.busy = False
            outcome.ran.append(place)
        self._count(up=-1)
        self._end(container)
        if self._queue and self._idle:  # it may have been roused for a job that it does not take any more
            self._rouse(self._idle.popleft())

    def _end(self, container: Container) -> None:
        container.ended = self._env.now
        self._containers.remove(container)
        self._charge(container)

    def _charge(self, container: Container) -> None:
        end = self._env.now if container.ended is None else container.ended
        self._outcome.charged += max(prices.FARGATE_LEAST_SECONDS, end - container.launched)

    def _count(self, busy: int = 0, up: int = 0) -> None:
        passed = self._env.now - self._measured
        self._measured = self._env.now
        self._area[0] += passed * self._busy
        self._area[1] += passed * self._up
        self._busy += busy
        self._up += up

    def _figures(self) -> Figures:
        self._count()
        busy, up = self._area
        self._area = [0.0, 0.0]
        cpu = 100 * self._cpu_share * busy / up if up else None
        return Figures(len(self._queue), self._busy, self._up, cpu)

    def _scale(self) -> Process:
        """Each minute: publish the figures, and decide on the last ones that CloudWatch has by now."""
        published: deque[tuple[float, Figures]] = deque()
        while True:
            yield self._env.timeout(PERIOD)
            figures = self._figures()
            self._outcome.minutes.append((figures.waiting, figures.workers))
            published.append((self._env.now, figures))
            if published[0][0] + METRIC_DELAY <= self._env.now:
                known = published.popleft()[1]
                answers = [policy.decide(self._env.now, known, self._wanted) for policy in self._policies]
                # Where several policies want to act at once, the largest number wins.
                if wanted := [answer for answer in answers if answer is not None]:
                    self._want(min(self._bounds.maximum, max(self._bounds.minimum, *wanted)))

    def _want(self, number: int, *, launched_before: bool = False) -> None:
        """Launch or end containers until there are as many. Those that run a job leave after it."""
        self._wanted = number
        staying = [container for container in self._containers if not container.leaving]
        for _ in range(number - len(staying)):
            container = Container(self._env.now)
            self._containers.append(container)
            start = 0.0 if launched_before else self._start_seconds(self._random)
            self._env.process(self._work(container, start))
        # First those that have not started, then the idle ones, then the busy ones: their jobs protect them.
        staying.sort(key=lambda container: (container.up, container.busy))
        for container in staying[: max(0, len(staying) - number)]:
            container.leaving = True
            if not container.up:
                self._end(container)
            elif container.wake is not None:
                self._idle.remove(container)
                self._rouse(container)
