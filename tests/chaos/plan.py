"""What the clients will ask for: made from a seed, so that the same seed asks for the same."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

AT_MOST_ONCE = "chaos.once"
"""The task that may not run twice."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One job to be asked for. ``token`` is its name in the journal.

    ``then``: what its client does later: ``cancel`` (after ``patience`` seconds), ``stop`` (once it runs)
    or ``retry`` (once it failed or was canceled). ``after``: the numbers of those in its order that it comes
    after, and ``run``: whether it runs though they fail.
    """

    token: str
    task: str
    arguments: dict[str, Any]
    delay: int | None = None
    then: frozenset[str] = frozenset()
    patience: float = 0.0
    after: tuple[int, ...] = ()
    run: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """One request at ``at`` seconds after the start: a job, or a batch.

    ``key``: its Idempotency-Key; with one an unknown answer is asked for again. ``twice``: even a known one.
    """

    at: float
    asks: tuple[Ask, ...]
    key: str | None
    twice: bool = False


def make_ask(rng: random.Random, token: str) -> Ask:
    """A random job."""
    arguments: dict[str, Any] = {"token": token}
    then: set[str] = set()
    delay = None
    kind = rng.choices(
        ["quick", "steps", "waits", "long", "once", "flaky", "broken", "exits", "hungry", "later"],
        [42, 13, 12, 2, 13, 8, 4, 1, 2, 3],
    )[0]
    task = {"long": "steps", "later": "quick"}.get(kind, kind)
    if kind in ("steps", "waits", "once"):
        arguments["seconds"] = round(rng.uniform(0, 0.8), 2)
    elif kind == "long":
        arguments["seconds"] = 8.0
        then.add("stop")
    elif kind == "flaky":
        arguments["failures"] = rng.choice([0, 1, 1, 2])
    elif kind == "hungry":
        arguments["megabytes"] = 24
    elif kind == "later":
        delay = rng.randint(1, 4)
    if rng.random() < 0.06:
        then.add("cancel")
    if rng.random() < 0.3:
        then.add("retry")
    return Ask(token, f"chaos.{task}", arguments, delay, frozenset(then), rng.uniform(0, 0.5))


def make_graph(rng: random.Random, asks: list[Ask]) -> tuple[Ask, ...]:
    """The jobs as a chain, a fan-out that comes together again, or whatever they like."""
    shape = rng.choice(["chain", "diamond", "any"])
    linked = []
    for number, ask in enumerate(asks):
        after: tuple[int, ...]
        if shape == "chain":
            after = (number - 1,) if number else ()
        elif shape == "diamond":
            last = number == len(asks) - 1
            after = tuple(range(1, number)) if last and number > 1 else (0,) if number else ()
        else:
            after = tuple(rng.sample(range(number), min(number, rng.randint(0, 3))))
        linked.append(replace(ask, after=after, run=rng.random() < 0.25))
    return tuple(linked)


def make_orders(seed: int, jobs: int, seconds: float) -> list[Order]:
    """The orders of a run: that many jobs within that many seconds, alone, in batches and in graphs."""
    rng = random.Random(f"orders {seed}")
    orders: list[Order] = []
    made = 0
    while made < jobs:
        size = 1 if rng.random() < 0.93 else rng.randint(2, 12)
        size = min(size, jobs - made)
        made_asks = [make_ask(rng, f"s{seed}j{made + number}") for number in range(size)]
        asks = make_graph(rng, made_asks) if size > 1 and rng.random() < 0.7 else tuple(made_asks)
        key = f"s{seed}k{made}" if rng.random() < 0.7 else None
        orders.append(Order(seconds * made / jobs, asks, key, key is not None and rng.random() < 0.1))
        made += size
    return orders
