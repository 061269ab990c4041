"""``coatcheck batch``: shows jobs that were submitted together, waits for them, or cancels them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rich.text import Text

from coatcheck.client import Batch, WaitTimeoutError
from infra.remote import screen
from infra.remote.address import PATIENT, open_client

HEADS = ("ID", "STATUS", "TASK", "TOOK", "AFTER", "")
LOOK_SECONDS = 2.0
"""How often it is told how far a batch is."""


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck batch``. Returns the exit status. Raises CoatcheckError."""
    with open_client(arguments) as client:
        batch = client.batch(arguments.id)
        client.retry_for = PATIENT
        if arguments.cancel:
            batch.cancel()
        if arguments.wait:
            return wait(batch, json=bool(arguments.json))
        if arguments.json:
            screen.document(batch.document)
        elif arguments.cancel:
            screen.errors().print(now(batch))
        else:
            screen.show(screen.table(HEADS, map(_row, batch.document["jobs"])))
            screen.errors().print(now(batch))
    return 0


def wait(batch: Batch, *, json: bool) -> int:
    """Wait until all jobs are over, and tell how far they are. Returns the exit status: 0 if all finished."""
    told = ""
    while True:
        if not json and now(batch) != told:
            told = now(batch)
            screen.errors().print(told)
        if batch.status != "running":
            break
        with suppress(WaitTimeoutError):
            batch.wait(LOOK_SECONDS)
    if json:
        screen.document(batch.document)
    return 0 if batch.status == "finished" else 1


def now(batch: Batch) -> str:
    """How far it is, in a line."""
    counts = ", ".join(f"{count} {status}" for status, count in batch.counts.items())
    return f"{batch.id} {batch.status}: {batch.progress:.0%} of {batch.total}, {counts}"


def _row(job: Any) -> Iterator[str | Text]:
    yield job["id"]
    yield screen.status(job["status"])
    yield job["task"]
    yield screen.span(job["started_at"], job["ended_at"])
    yield "\n".join(job["after"])
    yield f"{job['error']['type']}: {job['error']['message']}" if job["error"] else ""
