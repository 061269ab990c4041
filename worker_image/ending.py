"""The end of a run, as it is written to Redis: from memory, or from a file when the worker is gone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from redis.exceptions import OutOfMemoryError

from coatcheck.codec import dumps, encode_error, encode_result, encode_traceback
from coatcheck.connection import as_text
from coatcheck.job import JobError
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from worker_image.run import Outcome, Piece, Run

UNKNOWN_TASK_SECONDS = 2
"""How long a job waits before it is offered again, when a worker has no such task."""
LOST_RESULT = JobError(
    "ResultLost",
    "the task ran to its end while Redis was away, but its result was too large to be kept meanwhile,"
    " and the task may run only once",
)


@dataclass(frozen=True, slots=True)
class Ending:
    """All that the scripts need to end a run: safe to be written more than once.

    ``result`` is the JSON, ``retry_delay`` in seconds; ``progress`` and ``pieces`` of the log are what was
    not confirmed before.
    """

    job_id: str
    execution: str
    queue: str
    worker: str
    kind: str
    result: str | None
    error: JobError
    retry_delay: int
    at_most_once: bool
    progress: str
    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, run: Run, outcome: Outcome, worker: str) -> Ending:
        """The end of a run with its outcome. Takes the worker's name."""
        return cls(
            job_id=run.job_id,
            execution=run.execution,
            queue=run.queue,
            worker=worker,
            kind=outcome.kind,
            result=outcome.result,
            error=outcome.error or JobError("", ""),
            retry_delay=run.retry_delay,
            at_most_once=run.at_most_once,
            progress=run.progress,
            pieces=run.remaining(),
        )

    @property
    def without_result(self) -> Ending:
        """What is recorded instead when the result can't be kept: a failure that says so."""
        return replace(self, kind="failed", result=None, error=LOST_RESULT, pieces=(), progress="")

    def dumps(self) -> str:
        """As JSON, for a file."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str | bytes) -> Ending:
        """Read what ``dumps`` made. Raises ValueError, TypeError, KeyError."""
        fields = json.loads(text)
        return cls(
            **fields
            | {
                "error": JobError(**fields["error"]),
                "pieces": tuple(Piece(**piece) for piece in fields["pieces"]),
            }
        )

    def deliver(self, scripts: Scripts, keys: Keys, lease: int, unknown_task_wait: int) -> str:
        """Write it. Returns the job's new status, or ``lost``: the job was given to another worker.

        Takes the seconds of a lease, and those that a job waits for a worker that has its task.

        Raises RedisError: it may or may not be written; deliver it again.
        """
        try:
            self._send_log(scripts, keys, lease, self.pieces)
        except OutOfMemoryError:
            # A full Redis takes ends of jobs, which make room, but no text.
            last = self.pieces[-1].number if self.pieces else 0
            self._send_log(scripts, keys, lease, [Piece(last, "", cut=True)])
        unknown = self.kind == "unknown"
        answer = scripts.run(
            "finish",
            [keys.job(self.job_id), keys.leases, keys.results(self.job_id)],
            self.job_id,
            self.execution,
            self.queue,
            self.worker,
            self.kind,
            dumps([0, self.error.message]) if unknown else encode_result(self.result),
            encode_traceback(self.error.traceback or f"{self.error.type}: {self.error.message}"),
            encode_error(self.error),
            UNKNOWN_TASK_SECONDS if unknown else self.retry_delay,
            unknown_task_wait,
        )
        return as_text(answer)

    def _send_log(self, scripts: Scripts, keys: Keys, lease: int, pieces: Sequence[Piece]) -> None:
        for piece in pieces or ([Piece()] if self.progress else []):
            renew(scripts, keys, self.job_id, self.execution, lease, self.progress, piece)


def renew(
    scripts: Scripts,
    keys: Keys,
    job_id: str,
    execution: str,
    lease: int,
    progress: str,
    piece: Piece,
    *,
    durable: bool = False,
) -> str:
    """Renew the lease of a run, and hand on its progress and a piece of its log.

    ``durable``: the replicas must confirm it, and all written before. Returns ``ok``, ``stop`` (a
    client asked for it) or ``lost``.
    """
    answer: Any = scripts.run(
        "renew",
        [keys.job(job_id), keys.leases, keys.log(job_id)],
        job_id,
        execution,
        lease,
        progress,
        piece.text,
        "1" if piece.cut else "",
        piece.number,
        durable=durable,
    )
    return as_text(answer)
