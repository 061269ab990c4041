"""Follows a job to its end: a progress bar and what it prints on standard error, the result at the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from coatcheck.client import Job, JobStatus, Ticket, Update
from coatcheck.errors import ConflictError
from infra.remote import screen
from infra.remote.files import deliver

EXITS = {
    JobStatus.FINISHED: 0,
    JobStatus.FAILED: 1,
    JobStatus.STOPPED: 3,
    JobStatus.CANCELED: 3,
}
"""The exit status for each end."""
INTERRUPTED = 130


def follow(ticket: Ticket[Any], *, json: bool, quiet: bool = False, output: str | None = None) -> int:
    """Show each change of a job up to its end, then print its result. Returns the exit status.

    Ctrl-C asks the job to stop, and is answered with 130 at its end; the second one leaves at once.
    Takes whether the whole job is printed instead of its result, whether nothing else is shown, and where
    the result's files are saved.
    """
    updates = iter(ticket)
    interrupted = False
    with _display(quiet) as display:
        while True:
            try:
                if interrupted:
                    _ask_to_stop(ticket)
                for update in updates:
                    display.show(update)
                break
            except KeyboardInterrupt:
                if interrupted:
                    return INTERRUPTED
                interrupted = True
                display.say("asking the job to stop; Ctrl-C again leaves at once")
    job = ticket.job
    if job.status is JobStatus.FINISHED:
        deliver(ticket, output, json=json, quiet=quiet)
    elif json:
        screen.document(ticket.document)
    if not quiet or job.status is not JobStatus.FINISHED:
        display.say(ending(job))
    return INTERRUPTED if interrupted else EXITS[job.status]


def ending(job: Job) -> str:
    """How a job ended."""
    took = ""
    if job.started_at and job.ended_at:
        took = f" after {screen.seconds((job.ended_at - job.started_at).total_seconds())}"
    reason = f": {job.error.type}: {job.error.message}" if job.error else ""
    more = f"\n'coatcheck job {job.id}' shows the traceback" if job.error and job.error.traceback else ""
    return f"{job.id} {job.status}{took}{reason}{more}"


def _ask_to_stop(ticket: Ticket[Any]) -> None:
    with suppress(ConflictError):  # it has ended meanwhile, which the next look tells
        ticket.cancel()


class Silent:
    """Shows nothing."""

    def show(self, update: Update) -> None:
        """Nothing to show."""

    def say(self, text: str) -> None:
        """Say something that has to be said."""
        screen.errors().print(screen.safe(text))


class Lines(Silent):
    """Shows what the job prints, and its changes, as lines."""

    def __init__(self) -> None:
        self._rest = ""
        self._named = False

    def show(self, update: Update) -> None:
        """A line for each that is whole; the job's end makes the last one whole."""
        if not self._named and not update.job.ended:
            self.say(f"{update.job.id} {update.job.status}")
        self._named = True
        if update.kind == "log":
            *lines, self._rest = (self._rest + update.text).split("\n")
            for line in lines:
                self.line(line)
        elif update.kind == "status":
            if update.job.ended:
                self.flush()
            elif update.job.attempt > 1:
                self.say(f"{update.job.id} {update.job.status}, attempt {update.job.attempt}")

    def line(self, text: str) -> None:
        """Show a line that the job has printed: to a program just as it is."""
        print(text, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Show the last line, that has no end."""
        if self._rest:
            self.line(self._rest)
            self._rest = ""


class Bar(Lines):
    """Shows a progress bar below the lines. For terminals."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._bar = progress.add_task("waiting", total=None)

    def show(self, update: Update) -> None:
        """Move the bar."""
        super().show(update)
        job = update.job
        if job.progress:
            told = screen.safe(job.progress.message or str(job.status)).plain
            self._progress.update(self._bar, total=1.0, completed=job.progress.fraction, description=told)
        else:
            self._progress.update(self._bar, description=str(job.status))

    def line(self, text: str) -> None:
        """Show a line above the bar."""
        screen.errors().print(screen.safe(text))


@contextmanager
def _display(quiet: bool) -> Iterator[Silent]:
    if quiet:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines()
    else:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=screen.errors(), transient=True) as progress:
            yield Bar(progress)
