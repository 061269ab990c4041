"""What is broken, and when: a schedule from a seed, and the hand that carries it out.

A fault is a generator: it does the damage, yields for how many seconds it shall last, and mends it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.history import Broken
from tests.chaos.system import System
from tests.support.servers import FAKETIME

Steps = Iterator[float]
Damage = Callable[[System, random.Random, Broken], Steps]


def _signal(pids: list[int], rng: random.Random, broken: Broken, signum: signal.Signals) -> int:
    """Send a signal to one of the processes. Returns its id, 0 when there was none to hit."""
    broken.pid = rng.choice(pids) if pids else 0
    try:
        if broken.pid:
            os.kill(broken.pid, signum)
    except ProcessLookupError:
        broken.pid = 0
    return broken.pid


def _pause(pids: list[int], rng: random.Random, broken: Broken, seconds: float) -> Steps:
    if _signal(pids, rng, broken, signal.SIGSTOP):
        yield seconds
        _signal([broken.pid], rng, broken, signal.SIGCONT)


def kill_worker(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Kill a work-horse's supervisor."""
    _signal(system.workers(system.victims), rng, broken, signal.SIGKILL)
    yield 0


def kill_horse(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Kill a work-horse."""
    _signal(system.horses(), rng, broken, signal.SIGKILL)
    yield 0


def kill_pool(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Kill the process that keeps a pool's workers running."""
    _signal([pool.process.pid for pool in system.victims], rng, broken, signal.SIGKILL)
    yield 0


def stop_pool(system: System, rng: random.Random, broken: Broken) -> Steps:
    """End a pool in order, as a rolling replacement does."""
    _signal([pool.process.pid for pool in system.victims], rng, broken, signal.SIGTERM)
    yield 0


def kill_api(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Kill the API."""
    _signal([system.api.process.pid], rng, broken, signal.SIGKILL)
    yield 0


def kill_redis(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Kill Redis, and start it again on the same file."""
    broken.pid = system.primary.pid
    system.primary.kill()
    yield rng.uniform(0.1, 1.5)
    system.primary.start()


def pause_worker(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Stop a supervisor for longer than its lease; its work-horse runs on."""
    return _pause(system.workers(), rng, broken, system.layout.lease + rng.uniform(1, 2.5))


def pause_horse(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Stop a work-horse; its supervisor keeps the lease."""
    return _pause(system.horses(), rng, broken, system.layout.lease + rng.uniform(0.5, 1.5))


def pause_api(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Stop the API for a while."""
    return _pause([system.api.process.pid], rng, broken, rng.uniform(0.5, 3))


def pause_redis(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Stop Redis, for longer than its clients wait for an answer."""
    return _pause([system.primary.pid], rng, broken, rng.uniform(1, system.layout.lease + 2))


def cut(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Reset every connection to Redis, a few times."""
    for _ in range(rng.randint(1, 4)):
        system.proxy.cut()
        yield rng.uniform(0.02, 0.3)


def delay(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Make the way to Redis slow, and reset every connection in the middle of it."""
    system.proxy.delay(rng.uniform(0.02, 0.3))
    yield rng.uniform(0.5, 2)
    system.proxy.cut()
    yield rng.uniform(0.5, 1)
    system.proxy.delay(0)


def black_hole(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Let nothing pass to Redis and back; then what was held back comes late, or never."""
    system.proxy.hold()
    yield rng.uniform(0.5, system.layout.lease + 1.5)
    if rng.random() < 0.5:
        system.proxy.cut()
    system.proxy.release()


def fail_over(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Lose the primary for good; the replica takes its place, and gets a replica of its own."""
    assert system.replica is not None
    # Nothing is held back: what comes in after this look may be on the primary alone when it dies.
    system.replica.catch_up(system.primary)
    broken.began = time.monotonic()
    system.fail_over()
    yield rng.uniform(0.2, 1)
    system.add_replica()


def clock_forward(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Set Redis' clock forward, past the end of every lease."""
    system.clock.step(rng.uniform(5, 20))
    yield 1


def clock_back(system: System, rng: random.Random, broken: Broken) -> Steps:
    """Set Redis' clock back."""
    system.clock.step(-rng.uniform(3, 10))
    yield 1


ALL: dict[str, Damage] = {
    name.replace("_", "-"): damage
    for name, damage in {
        "kill_worker": kill_worker,
        "kill_horse": kill_horse,
        "kill_pool": kill_pool,
        "stop_pool": stop_pool,
        "kill_api": kill_api,
        "kill_redis": kill_redis,
        "pause_worker": pause_worker,
        "pause_horse": pause_horse,
        "pause_api": pause_api,
        "pause_redis": pause_redis,
        "cut": cut,
        "delay": delay,
        "black_hole": black_hole,
        "fail_over": fail_over,
        "clock_forward": clock_forward,
        "clock_back": clock_back,
    }.items()
}
STORE = frozenset({"kill-redis", "pause-redis", "cut", "delay", "black-hole", "fail-over"})
"""Faults of Redis and the way to it: one at a time."""
CLOCK = frozenset({"clock-forward", "clock-back"})


def kinds() -> tuple[str, ...]:
    """All kinds of faults that this machine can make."""
    return tuple(kind for kind in ALL if FAKETIME or kind not in CLOCK)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at ``at`` seconds after the start. ``seed`` decides its details."""

    at: float
    kind: str
    seed: str


def schedule(seed: int, kinds: tuple[str, ...], seconds: float, gap: float) -> list[Fault]:
    """Faults about every ``gap`` seconds: each kind once in random order, then again in another order."""
    rng = random.Random(f"faults {seed}")
    faults: list[Fault] = []
    at = rng.uniform(0.5, 1.5) * gap
    while kinds and at < seconds:
        for kind in rng.sample(kinds, len(kinds)):
            if at < seconds:
                faults.append(Fault(at, kind, f"{seed} {len(faults)}"))
                at += rng.uniform(0.5, 1.5) * gap
    return faults


def carry_out(system: System, faults: list[Fault]) -> list[Broken]:
    """Make every fault in its time, and mend them all. Returns what was made."""
    start = time.monotonic()
    made: list[Broken] = []
    waiting = list(faults)
    active: list[tuple[float, int, Steps, Broken]] = []
    numbers = itertools.count()
    while waiting or active:
        store_is_hit = any(broken.kind in STORE for _, _, _, broken in active)
        now = time.monotonic()
        if waiting and start + waiting[0].at <= now and not (store_is_hit and waiting[0].kind in STORE):
            fault = waiting.pop(0)
            broken = Broken(fault.kind, now)
            steps = ALL[fault.kind](system, random.Random(fault.seed), broken)
            made.append(broken)
            heapq.heappush(active, (now, next(numbers), steps, broken))
        elif active and active[0][0] <= now:
            _, _, steps, broken = heapq.heappop(active)
            pause = next(steps, None)
            if pause is None:
                broken.ended = time.monotonic()
            else:
                heapq.heappush(active, (time.monotonic() + pause, next(numbers), steps, broken))
        else:
            time.sleep(0.02)
    return made
