"""Loads like those that queues meet: when jobs come, and how long each runs. The same for the same seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random

SEED = 7
MINUTE, HOUR = 60.0, 3600.0
MEAN_SECONDS = 6.0
"""Mean time of a job, in all scenarios: that of the example in WorkerBacklog's description."""
ACCEPTED_WAIT = 60.0
"""The wait that is accepted, in seconds; of the same example."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job: the second at which it comes, and the seconds that it runs."""

    arrives: float
    runs: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load: its name, what it is, its length and the accepted wait in seconds, and what makes its jobs."""

    name: str
    story: str
    length: float
    make: Callable[[Random], Iterator[Job]]
    accepted: float = ACCEPTED_WAIT

    def jobs(self, seed: int = SEED) -> tuple[Job, ...]:
        """All jobs, in the order in which they come."""
        return _made(self, seed)


@cache
def _made(scenario: Scenario, seed: int) -> tuple[Job, ...]:
    jobs = scenario.make(Random(f"{seed} {scenario.name}"))
    return tuple(sorted(jobs, key=lambda job: job.arrives))


def log_normal(random: Random, mean: float = MEAN_SECONDS, sigma: float = 0.8) -> float:
    """A job's time: most are short, some take several times the mean. Seconds."""
    return random.lognormvariate(math.log(mean) - sigma * sigma / 2, sigma)


def heavy_tail(
    random: Random, mean: float = MEAN_SECONDS, alpha: float = 1.8, longest: float = HOUR
) -> float:
    """A job's time by Pareto: one in some hundred takes minutes, and at most ``longest``. Seconds."""
    return min(longest, mean * (alpha - 1) / alpha * random.paretovariate(alpha))


def arrivals(
    random: Random, begin: float, end: float, rate: Callable[[float], float], most: float
) -> Iterator[float]:
    """Seconds at which jobs come at a rate that changes: a Poisson process, thinned from its highest rate."""
    now = begin
    while (now := now + random.expovariate(most)) < end:
        if random.random() * most < rate(now):
            yield now


def steady_day(random: Random) -> Iterator[Job]:
    """More by day than by night, as a sine."""

    def rate(second: float) -> float:
        return 0.15 * (1 - math.cos(2 * math.pi * second / (24 * HOUR)))

    for second in arrivals(random, 0, 24 * HOUR, rate, 0.3):
        yield Job(second, log_normal(random))


def monday_morning(random: Random) -> Iterator[Job]:
    """Quiet until eight; then everybody comes within a few minutes, and it ebbs away over the morning."""

    def rate(second: float) -> float:
        since = second - 2 * HOUR
        return 0.02 + (0.0 if since < 0 else 1.2 * min(1.0, since / (5 * MINUTE)) * math.exp(-since / HOUR))

    for second in arrivals(random, 0, 8 * HOUR, rate, 1.22):
        yield Job(second, log_normal(random))


def nightly_batch(random: Random) -> Iterator[Job]:
    """Ten thousand jobs at once, and a little beside them."""
    for _ in range(10_000):
        yield Job(HOUR, log_normal(random))
    for second in arrivals(random, 0, 6 * HOUR, lambda _: 0.01, 0.01):
        yield Job(second, log_normal(random))


def sparse(random: Random) -> Iterator[Job]:
    """One to three jobs, then hours of silence."""
    now = 0.0
    while (now := now + 0.5 * HOUR + random.expovariate(1 / (1.5 * HOUR))) < 24 * HOUR:
        for _ in range(random.randint(1, 3)):
            yield Job(now + random.random() * MINUTE, heavy_tail(random))


def flash_crowd(random: Random) -> Iterator[Job]:
    """Ten minutes of 2 jobs a second out of nearly nothing; some jobs take very long."""

    def rate(second: float) -> float:
        return 2.0 if HOUR <= second < HOUR + 10 * MINUTE else 0.05

    for second in arrivals(random, 0, 4 * HOUR, rate, 2.0):
        yield Job(second, heavy_tail(random))


SCENARIOS = (
    Scenario(
        "steady day", "24 h, more by day than by night: up to 1,080 jobs an hour", 24 * HOUR, steady_day
    ),
    Scenario(
        "Monday morning", "8 h; at eight 1.2 jobs a second come, and ebb away", 8 * HOUR, monday_morning
    ),
    Scenario(
        "nightly batch", "6 h; 10,000 jobs at once, wanted within 2 h", 6 * HOUR, nightly_batch, 2 * HOUR
    ),
    Scenario("sparse", "24 h; one to three jobs, then up to hours of silence; heavy tail", 24 * HOUR, sparse),
    Scenario("flash crowd", "4 h; 10 minutes of 2 jobs a second; heavy tail", 4 * HOUR, flash_crowd),
)
