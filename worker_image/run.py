"""One run of a job: what is to be run, what it reported, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coatcheck.codec import (
    MalformedJobError,
    QuarantinedJobError,
    decode_after,
    decode_call,
    decode_delays,
    whole,
)
from coatcheck.job import JobError
from coatcheck.placeholders import placeholders
from coatcheck.settings import DAY
from coatcheck.signing import BadSignatureError, Signatures

if TYPE_CHECKING:
    from worker_image.results import Large

HARMLESS = (b"0", b"1")
"""How often a job may lose its worker, or a process that it shares with others, before it is run alone."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A numbered piece of a job's log. ``cut``: text before it was dropped. ``open``: not confirmed yet."""

    number: int = 0
    text: str = ""
    cut: bool = False
    open: bool = False


class Run:
    """One run of a job, as its worker sees it."""

    def __init__(
        self, job_id: str, execution: str, queue: str, fields: Mapping[bytes, bytes] | None = None
    ) -> None:
        self.job_id = job_id
        self.execution = execution
        self.queue = queue
        self.fields = fields or {}
        """The job's hash as it was at the begin."""
        self.task = "?"
        self.arguments: dict[str, Any] = {}
        self.timeout = 0
        self.result_ttl = 0
        self.attempt = 0
        self.retry_delay = 0
        self.at_most_once = False
        self.suspect = False
        """Whether it lost more than one worker, or process that it shared: then it runs alone."""
        self.concurrent = False
        """Whether it runs with others in one process."""
        self.after: tuple[str, ...] = ()
        """The jobs that it comes after."""
        self.borrows = False
        """Whether results of theirs are still to be put into its arguments."""
        self.large: list[Large] = []
        """Those of them that its work-horse has to read."""
        self.span: dict[str, Any] | None = None
        """What its span is, where tracing is on."""
        self.waited = 0.0
        """Seconds that the job was on its queue, where somebody counts them."""
        self.begun = time.monotonic()
        """When its task began, and before that when it was known."""
        self.progress = ""
        self.piece = Piece()
        """What is on its way to the job's log; sent again, unchanged, until Redis has confirmed it."""
        self._output = ""
        self._cut = False

    def read(self, signatures: Signatures | None = None) -> None:
        """Read what is to be run from the job's hash. Takes what checks its signature, where jobs are signed.

        Raises MalformedJobError; QuarantinedJobError: it was changed or planted.
        """
        fields = self.fields
        if signatures is not None:
            self._check(signatures)
        self.at_most_once = fields.get(b"at_most_once") == b"1"
        self.suspect = fields.get(b"lost", b"0") not in HARMLESS
        self.task, self.arguments = decode_call(fields.get(b"data", b""))
        self.after = decode_after(fields)
        self.borrows = bool(self.after) and any(True for _ in placeholders(self.arguments))
        self.timeout = max(1, whole(fields, "timeout"))
        self.result_ttl = whole(fields, "result_ttl", DAY)
        self.attempt = whole(fields, "attempt")
        left, total = whole(fields, "retries_left", 0), whole(fields, "retries", 0)
        delays = decode_delays(fields.get(b"retry_intervals", b"[0]"))
        self.retry_delay = delays[min(max(total - left, 0), len(delays) - 1)] if delays else 0

    def _check(self, signatures: Signatures) -> None:
        try:
            signatures.check(self.job_id, self.fields)
            if self.fields.get(b"origin") != self.queue.encode():
                raise BadSignatureError("it was put on another queue")
            if whole(self.fields, "retries_left", 0) > whole(self.fields, "retries", 0):
                raise BadSignatureError("it has more retries left than it was given")
        except BadSignatureError as error:
            raise QuarantinedJobError(f"the job was changed or planted: {error}") from None

    def log_fields(self, **more: Any) -> dict[str, Any]:
        """What a log record about this run carries."""
        trace = {"trace_id": self.span["trace_id"]} if self.span else {}
        return {"job": self.job_id, "task": self.task, "attempt": self.attempt, **trace, **more}

    @property
    def owner(self) -> str | None:
        """Whose the job is."""
        return self.fields.get(b"owner", b"").decode("utf-8", "replace") or None

    @property
    def unsent(self) -> bool:
        """Whether there is something to hand on."""
        return bool(self.progress or self.piece.open or self._output)

    def printed(self, text: str, limit: int) -> None:
        """Take what the task printed; of what is not sent yet the newest ``limit`` bytes are kept."""
        self._output += text
        if 4 * len(self._output) > limit:  # no character takes more than four bytes
            output = self._output.encode()
            if len(output) > limit:
                self._output, self._cut = output[-limit:].decode("utf-8", "ignore"), True

    def next_piece(self) -> Piece:
        """What is to be sent now: the piece that was not confirmed, or a new one if there is any."""
        if not self.piece.open and self._output:
            self.piece = Piece(self.piece.number + 1, self._output, self._cut, open=True)
            self._output, self._cut = "", False
        return self.piece

    def remaining(self) -> tuple[Piece, ...]:
        """All of the log that is not confirmed, at the end of the run."""
        pieces = [self.piece] if self.piece.open else []
        if self._output:
            pieces.append(Piece(self.piece.number + 1, self._output, self._cut))
        return tuple(pieces)

    def sent(self) -> None:
        """The progress and the piece were confirmed."""
        self.progress = ""
        self.piece = Piece(self.piece.number)


class Outcome:
    """How a run ended: finished, failed, stopped, interrupted, unknown here, or lost to another worker.

    Or not at all: ``returned`` was never run, and ``suspect`` had a process with others that died.
    """

    def __init__(
        self,
        kind: str,
        *,
        result: str | None = None,
        error: JobError | None = None,
        by_task: bool = False,
        note: str = "",
    ) -> None:
        self.kind = kind
        self.result = result
        self.error = error
        self.by_task = by_task
        """Whether the task itself came to an end, so that its work-horse is fit for the next job."""
        self.note = note

    @classmethod
    def failed(cls, kind: str, message: str) -> Outcome:
        """A failure that the worker found, not the task."""
        return cls("failed", error=JobError(kind, message), note=f": {message}")

    @classmethod
    def refused(cls, error: MalformedJobError) -> Outcome:
        """A job that nobody shall run: nothing was, and retries would not help."""
        message = f"{error}; nothing was run"
        return cls("refused", error=JobError(error.kind, message), by_task=True, note=f": {message}")

    @classmethod
    def unknown(cls, task: str) -> Outcome:
        """The worker has no such task: another one may, after a deployment for example."""
        message = f"no worker that knows {task} has taken it yet"
        return cls("unknown", error=JobError("UnknownTask", message), by_task=True, note=f": {message}")

    @classmethod
    def lost(cls, run: Run, message: str, kind: str = "interrupted") -> Outcome:
        """The process is gone in which the task ran: another run follows, unless it may run only once."""
        if run.at_most_once:
            return cls.failed("WorkerLost", f"{message}, and the task may run only once")
        return cls(kind, note=f": {message}")

    @classmethod
    def returned(cls) -> Outcome:
        """The job was begun, but its task was not: it goes back."""
        return cls("returned", note=": its worker has no room for it")

    @classmethod
    def given_away(cls) -> Outcome:
        """The lease is gone: nothing that this run does counts any more."""
        return cls("lost", note=": it was given to another worker")

    @classmethod
    def stopped(cls) -> Outcome:
        """A client asked for the stop."""
        return cls("stopped", error=JobError("Stopped", "a client asked to stop the job"))
