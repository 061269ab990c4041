"""A worker's steps in Redis: begin a run, renew its lease, record its end."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from redis import Redis, RedisError
from redis.exceptions import OutOfMemoryError

from coatcheck.adapter import QueueAdapter
from coatcheck.connection import as_text
from coatcheck.errors import UnavailableError
from coatcheck.job import Submission
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from worker_image.ending import NOTHING, Ended, Ending, Following, renew
from worker_image.outbox import Outbox
from worker_image.results import Results
from worker_image.run import Outcome, Piece, Run
from worker_image.spool import KeptEnding, Spool

DELIVERY_SECONDS = 600
"""How long a worker tries to record an end, before it leaves that to the pool."""

log = logging.getLogger("coatcheck.worker")


def new_execution() -> str:
    """Names one run of a job: whoever holds its lease under this name may write."""
    return secrets.token_hex(8)


class Delivery:
    """Takes the settings, a connection for short commands, the worker's name, and what the outbox takes.

    Every method raises RedisError: then it may or may not have been done, and is to be repeated as it was.
    """

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        worker: str,
        opened: Callable[[Any], object],
        closing: Callable[[Any], object],
    ) -> None:
        self._settings = settings
        self._worker = worker
        self._keys = Keys(settings.prefix)
        self._scripts = Scripts(redis, settings.prefix, settings.redis_wait_replicas)
        self._spool = Spool(settings)
        self._adapter = QueueAdapter(redis, settings)
        self._results = Results(redis, self._keys)
        self._outbox = Outbox(redis, self._scripts, opened, closing)

    def take(self, queue: str) -> str | None:
        """The id of the next job, without waiting for one, even in a full Redis; None: there is none."""
        taken = self._scripts.run("take", [self._keys.queue(queue), self._keys.intermediate(queue)])
        return None if taken is None else as_text(taken)

    def begin(self, run: Run) -> bool:
        """Begin a job that was taken. Returns whether it is this worker's to run."""
        keys = [self._keys.job(run.job_id), self._keys.intermediate(run.queue), self._keys.leases]
        args = (run.job_id, run.queue, self._worker, run.execution, self._settings.worker_lease)
        answer = self._scripts.run("begin", keys, *args)
        run.fields = dict(zip(answer[::2], answer[1::2], strict=True))
        return bool(answer)

    def fill(self, run: Run) -> None:
        """Put other jobs' results into its arguments. Raises MalformedJobError: they are not there."""
        run.arguments, run.large = self._results.put_into(run.arguments, run.after)
        run.borrows = False

    def renew(self, run: Run) -> str:
        """Renew the lease, and hand on output and progress. Returns ``ok``, ``stop`` or ``lost``."""
        try:
            answer = self._renew(run, run.progress, run.next_piece())
            run.sent()
        except OutOfMemoryError:
            # Text has to wait for room; the lease must not.
            answer = self._renew(run, "", Piece())
        return answer

    def confirm(self, run: Run) -> str:
        """Wait until replicas know that the job has begun. Returns what ``renew`` does."""
        return self._renew(run, "", Piece(), durable=True)

    def _renew(self, run: Run, progress: str, piece: Piece, *, durable: bool = False) -> str:
        settings, ids = self._settings, (run.job_id, run.execution)
        lease, most = settings.worker_lease, settings.max_log
        return renew(self._scripts, self._keys, *ids, lease, progress, piece, most, durable=durable)

    def submit(self, child: Submission) -> None:
        """Submit a job that a task asks for; again is not twice. Raises ProblemError: it is refused."""
        try:
            self._adapter.submit([child])
        except UnavailableError as error:
            raise RedisError(error.detail) from error

    def end(self, run: Run, outcome: Outcome) -> UnrecordedEnd:
        """The end of a run, to be recorded."""
        return UnrecordedEnd(run, outcome, Ending.of(run, outcome, self._worker))

    def send(self, end: UnrecordedEnd) -> None:
        """Send an end to be recorded; the answers come in the order of the ends."""
        names, arguments = end.ending.step(self._keys, self._settings, end.following or NOTHING)
        self._outbox.send("finish", names, *arguments)

    def answered(self, readable: bool | None) -> bool:
        """Whether the oldest of the ends that were sent is answered. Takes what the outbox does."""
        return self._outbox.answered(readable)

    def answer(self, end: UnrecordedEnd) -> Ended:
        """The answer to the oldest end that was sent."""
        return end.ending.ended(self._outbox.answer())

    def close(self) -> None:
        """Give up what was sent and not answered."""
        self._outbox.close()

    def record(self, end: UnrecordedEnd) -> Ended:
        """Record an end, and wait for the answer: what became of the job, and the jobs begun in that step."""
        if end.outcome.kind == "lost":
            return Ended("lost")
        try:
            ended = end.ending.deliver(self._scripts, self._keys, self._settings, end.following or NOTHING)
        except RedisError:
            if not end.give_up:
                end.give_up = time.monotonic() + DELIVERY_SECONDS
                end.kept = self._spool.keep(end.ending)
            raise
        if end.kept is not None:
            end.kept.drop()
        return ended


class UnrecordedEnd:
    """A run that has ended, until Redis knows it."""

    def __init__(self, run: Run, outcome: Outcome, ending: Ending) -> None:
        self.run = run
        self.outcome = outcome
        self.ending = ending
        self.following: Following | None = None
        """What to begin in the same step; once it was tried it stays what it is."""
        self.again = False
        """Whether it was sent before, and may have been recorded."""
        self.kept: KeptEnding | None = None
        """The file that keeps it meanwhile."""
        self.give_up = 0.0
        """When to leave it to a pool, once Redis failed; 0 before."""

    @property
    def asks(self) -> int:
        """How many jobs are begun with it, if as many wait."""
        return 0 if self.following is None else bool(self.following.run) + len(self.following.ahead)

    def leave(self, error: RedisError) -> str:
        """Give up. Returns what becomes of the job, in words."""
        name = type(error).__name__
        if self.kept is None:
            return f"not recorded ({name}); its lease will end"
        self.kept.leave()
        return f"not recorded yet ({name}): a pool on this host will do it"
