"""The end of a run, as it is written to Redis: from memory, or from a file when the worker is gone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from coatcheck.codec import dumps, encode_error, encode_result, encode_traceback
from coatcheck.connection import as_text
from coatcheck.job import JobError
from coatcheck.keys import Keys
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings
from worker_image.run import Outcome, Piece, Run

UNKNOWN_TASK_SECONDS = 2
"""How long a job waits before it is offered again, when a worker has no such task."""
LOST_RESULT = JobError(
    "ResultLost",
    "the task ran to its end while Redis was away, but its result was too large to be kept meanwhile,"
    " and the task may run only once",
)


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a job: its new status, or ``lost``: it was given to another worker, nothing is written.

    ``begun`` are the jobs that were begun in the same step.
    """

    status: str
    begun: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Following:
    """Executions as which the jobs that wait next are begun when a run ends.

    ``run``: it is run at once; '': none. ``ahead``: they are run after what their worker runs by then.
    """

    run: str = ""
    ahead: tuple[str, ...] = ()


NOTHING = Following()


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
    error: JobError | None
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
            error=outcome.error,
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
                "error": fields["error"] and JobError(**fields["error"]),
                "pieces": tuple(Piece(**piece) for piece in fields["pieces"]),
            }
        )

    def deliver(
        self, scripts: Scripts, keys: Keys, settings: Settings, following: Following = NOTHING
    ) -> Ended:
        """Write it, and begin the next jobs of the queue in the same step, as many as wait.

        Raises RedisError: it may or may not be written; deliver it again, with the same arguments.
        """
        names, arguments = self.step(keys, settings, following)
        return self.ended(scripts.run("finish", names, *arguments))

    def step(self, keys: Keys, settings: Settings, following: Following) -> tuple[list[str], list[str | int]]:
        """The keys and the arguments of the script that writes it."""
        unknown = self.error.message if self.kind == "unknown" and self.error else None
        names = [keys.job(self.job_id), keys.leases, keys.results(self.job_id), keys.queue(self.queue)]
        return names, [
            self.job_id,
            self.execution,
            self.queue,
            self.worker,
            self.kind,
            encode_result(self.result) if unknown is None else dumps([0, unknown]),
            *self._error_args(),
            self.retry_delay if unknown is None else UNKNOWN_TASK_SECONDS,
            settings.worker_unknown_task_wait,
            self.progress,
            following.run,
            ",".join(following.ahead),
            settings.worker_lease,
            settings.max_log,
            *(part for piece in self.pieces for part in (piece.number, piece.text, "1" if piece.cut else "")),
        ]

    def ended(self, answer: Any) -> Ended:
        """What the script's answer says."""
        status, *begun = answer
        return Ended(as_text(status), tuple(self._begun(*told) for told in begun))

    def _begun(self, job_id: bytes, execution: bytes, *fields: bytes) -> Run:
        found = dict(zip(fields[::2], fields[1::2], strict=True))
        return Run(as_text(job_id), as_text(execution), self.queue, found)

    def _error_args(self) -> tuple[str, str]:
        """The traceback and the error as they are kept, nothing for a job without."""
        if self.error is None:
            return "", ""
        text = self.error.traceback or f"{self.error.type}: {self.error.message}"
        return encode_traceback(text), encode_error(self.error)


def renew(
    scripts: Scripts,
    keys: Keys,
    job_id: str,
    execution: str,
    lease: int,
    progress: str,
    piece: Piece,
    max_log: int,
    *,
    durable: bool = False,
) -> str:
    """Renew the lease of a run, and hand on its progress and a piece of its log of ``max_log`` bytes.

    ``durable``: the replicas must confirm it, and all written before. Returns ``ok``, ``stop`` (a
    client asked for it) or ``lost``.
    """
    answer: Any = scripts.run(
        "renew",
        [keys.job(job_id), keys.leases],
        job_id,
        execution,
        lease,
        progress,
        piece.text,
        "1" if piece.cut else "",
        piece.number,
        max_log,
        durable=durable,
    )
    return as_text(answer)
