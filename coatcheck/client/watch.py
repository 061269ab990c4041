"""Waiting for one job: for its end, or for each change of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from coatcheck.client.api import LONGEST_WAIT, Api
from coatcheck.client.documents import Seen
from coatcheck.client.errors import WaitTimeoutError
from coatcheck.client.flow import Flow
from coatcheck.job import Job


@dataclass(frozen=True, slots=True)
class Update:
    """One change of a job: its status, its progress, or what it printed since the last (``text``)."""

    kind: Literal["status", "progress", "log"]
    job: Job
    text: str = ""


class Deadline:
    """A moment to be done by. Takes the seconds until then, None: there is none."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._end = None if timeout is None else time.monotonic() + timeout

    def cut(self, seconds: float) -> float:
        """That many seconds, or what is left. Raises WaitTimeoutError: nothing is."""
        if self._end is None:
            return seconds
        left = self._end - time.monotonic()
        if left <= 0:
            raise WaitTimeoutError(f"the job had not ended within {self._timeout:g} s; it goes on")
        return min(seconds, left)


def until_end(api: Api, job: Seen, timeout: float | None) -> Flow[Seen]:
    """The job once it is over. Raises WaitTimeoutError."""
    deadline = Deadline(timeout)
    while not job.job.ended:
        job = yield from api.job_after(job, deadline.cut(LONGEST_WAIT))
    return job


def whole_log(api: Api, job_id: str) -> Flow[str]:
    """All that a job's task has printed so far."""
    pieces: list[str] = []
    after = ""
    while True:
        page = yield from api.log(job_id, after)
        pieces.append(page["text"])
        if page["ended"] or not page["text"]:
            return "".join(pieces)
        after = page["next"]


class Watch:
    """Tells each change of a job, up to its end."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._told: Job | None = None
        self._after = ""

    def next(self, known: Seen) -> Flow[tuple[list[Update], Seen]]:
        """The changes since the last call, none only when the end has been told, and the job as it is now.

        Takes what is known of the job: what somebody else has seen of it meanwhile is told without waiting.
        """
        while True:
            if self._told == known.job:
                if known.job.ended:
                    return [], known
                known = yield from self._api.job_after(known, known.retry_after)
            job = known.job
            # An end is told last: whoever hears of it has heard all.
            log = yield from self._log(job)
            status, progress = self._status(job), self._progress(job)
            updates = [*log, *progress, *status] if job.ended else [*status, *progress, *log]
            self._told = job
            if updates:
                return updates, known

    def _status(self, job: Job) -> list[Update]:
        told = self._told and (self._told.status, self._told.attempt, self._told.stop_requested)
        new = (job.status, job.attempt, job.stop_requested)
        return [] if new == told else [Update("status", job)]

    def _progress(self, job: Job) -> list[Update]:
        told = self._told and self._told.progress
        return [] if job.progress in (None, told) else [Update("progress", job)]

    def _log(self, job: Job) -> Flow[list[Update]]:
        updates: list[Update] = []
        while job.started_at:
            page = yield from self._api.log(job.id, self._after)
            self._after = page["next"]
            if page["text"]:
                updates.append(Update("log", job, page["text"]))
            if page["ended"] or not page["text"]:
                break
        return updates
