"""How the client talks without talking: generators that yield what they want done, and get the answer back.

The same generator is driven by a blocking transport and by an asynchronous one, so all that the client
knows (retries, waiting, batches) stands here once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

from coatcheck.client.errors import ConnectionFailedError, error_of
from coatcheck.client.wire import Answer, Call, Close, More, Open, Put
from coatcheck.errors import CoatcheckError

Value = TypeVar("Value")

FIRST_BACKOFF = 0.2
MAX_BACKOFF = 10.0
"""Seconds before the first retry, doubled with each, and the longest."""
NOT_DONE = frozenset({429})
"""Answers that say that nothing was done, so anything may be sent again."""
PASSING = frozenset({502, 503, 504})
"""Answers that say that it may work soon, but not whether it was done."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait that many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Do something that takes long on this machine, and is not to hold up an event loop."""

    do: Callable[[], None]


Request: TypeAlias = Call | Put | Open | More | Close
"""What is answered."""
Step: TypeAlias = Request | Pause | Work
Flow: TypeAlias = Generator[Step, Answer | None, Value]
"""Yields steps; is sent the answer of a request, or thrown ConnectionFailedError; returns a value."""


class Run(Protocol):
    """Drives a flow to its end, and returns what it returns."""

    def __call__(self, flow: Flow[Value], /) -> Value:
        """Drive it."""
        ...


class AsyncRun(Protocol):
    """The same for asyncio."""

    def __call__(self, flow: Flow[Value], /) -> Awaitable[Value]:
        """Drive it."""
        ...


def exchange(call: Call, retry_for: float) -> Flow[Answer]:
    """Send a call until it succeeds.

    Only what can't do harm is sent again: calls that are repeatable, and any that did not arrive or were
    turned away. Takes how many seconds that may go on in all.

    Raises ProblemError, ResponseError, ConnectionFailedError: the last reason.
    """
    end = time.monotonic() + retry_for
    attempt = 0
    while True:
        after: float | None = None
        fault: CoatcheckError
        try:
            answer = yield call
        except ConnectionFailedError as error:
            fault, again = error, call.repeatable or not error.sent
        else:
            assert answer is not None
            if answer.succeeded:
                return answer
            fault, after = error_of(answer), answer.retry_after
            again = answer.status in NOT_DONE or (call.repeatable and answer.status in PASSING)
        pause = backoff(attempt, after)
        if not again or time.monotonic() + pause > end:
            raise fault
        yield Pause(pause)
        attempt += 1


def backoff(attempt: int, after: float | None) -> float:
    """Seconds before a retry, at least ``Retry-After``; random, so that clients don't come all at once."""
    most = min(MAX_BACKOFF, FIRST_BACKOFF * 2**attempt)
    return random.uniform(most / 2, most) + (after or 0.0)
