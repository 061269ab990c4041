"""``coatcheck jobs``: lists jobs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from coatcheck.client import Client, Ticket
from infra.remote import screen
from infra.remote.address import open_client

PAGE = 200
"""Most jobs that the API tells at once."""
HEADS = ("ID", "STATUS", "TASK", "CREATED", "TOOK", "")


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck jobs``. Returns the exit status. Raises CoatcheckError."""
    with open_client(arguments) as client:
        found, cursor = _jobs(client, arguments)
    if arguments.json:
        screen.document({"jobs": [ticket.document for ticket in found], "next": cursor})
        return 0
    screen.show(screen.table(HEADS, (_row(ticket.document) for ticket in found)))
    if not found:
        screen.errors().print("no jobs")
    if cursor:
        screen.errors().print(f"there are more: --cursor {cursor}")
    return 0


def _jobs(client: Client, arguments: Namespace) -> tuple[list[Ticket[Any]], str | None]:
    """As many jobs as asked for, and where the list goes on."""
    found: list[Ticket[Any]] = []
    cursor = arguments.cursor
    while True:
        page, cursor = client.jobs_page(
            status=arguments.status,
            queue=arguments.queue,
            task=arguments.task,
            batch=arguments.batch,
            cursor=cursor,
            limit=min(PAGE, arguments.limit - len(found)),
        )
        found += page
        if cursor is None or len(found) >= arguments.limit:
            return found, cursor


def _row(job: Any) -> Iterator[str | Text]:
    yield job["id"]
    yield screen.status(job["status"])
    yield job["task"]
    yield screen.when(job["created_at"])
    yield screen.span(job["started_at"], job["ended_at"])
    if job["error"]:
        yield f"{job['error']['type']}: {job['error']['message']}"
    elif job["progress"] and not job["ended_at"]:
        yield f"{job['progress']['fraction']:.0%} {job['progress']['message']}".strip()
    else:
        yield ""
