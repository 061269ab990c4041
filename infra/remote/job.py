"""``coatcheck job``: shows a job, or does something with it."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from rich.text import Text

from coatcheck.client import JobStatus, Ticket
from infra.errors import StartError
from infra.remote import describe, screen
from infra.remote.address import PATIENT, open_client
from infra.remote.files import deliver
from infra.remote.follow import EXITS, ending, follow


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck job``. Returns the exit status. Raises CoatcheckError."""
    with open_client(arguments) as client:
        ticket = client.ticket(arguments.id)
        client.retry_for = PATIENT
        if arguments.log:
            return _log(ticket, arguments.wait)
        if arguments.cancel:
            ticket.cancel()
        if arguments.retry:
            ticket.retry()
        if arguments.wait:
            return follow(ticket, json=bool(arguments.json), output=arguments.output)
        if arguments.output is not None:
            return _save(ticket, arguments)
        if arguments.json:
            screen.document(ticket.document)
        elif arguments.cancel or arguments.retry:
            screen.errors().print(_now(ticket))
        else:
            screen.show(screen.fields(_fields(ticket.document)))
    return 0


def _save(ticket: Ticket[Any], arguments: Namespace) -> int:
    if not ticket.job.ended:
        raise StartError(
            f"job {ticket.id} is {ticket.status}: with --wait its result is saved when it is over"
        )
    if ticket.status is JobStatus.FINISHED:
        deliver(ticket, arguments.output, json=bool(arguments.json))
    else:
        screen.errors().print(screen.safe(ending(ticket.job)))
    return EXITS[ticket.status]


def _now(ticket: Ticket[Any]) -> str:
    asked = " (it is asked to stop)" if ticket.job.stop_requested and not ticket.job.ended else ""
    return f"{ticket.id} {ticket.status}{asked}"


def _log(ticket: Ticket[Any], wait: bool) -> int:
    """Print the log, which is what the command was asked for, so on standard output."""
    if not wait:
        _write(ticket.log())
        return 0
    for update in ticket:
        _write(update.text)
    return EXITS[ticket.status]


def _write(text: str) -> None:
    if sys.stdout.isatty():
        screen.output().print(screen.safe(text), end="")
    else:
        print(text, end="", flush=True)


def _fields(job: Any) -> Iterator[tuple[str, str | Text]]:
    yield "id", job["id"]
    yield "task", job["task"]
    yield "queue", job["queue"]
    yield "status", screen.status(job["status"])
    if job["stop_requested"]:
        yield "stop", "asked for"
    if progress := job["progress"]:
        yield "progress", f"{progress['fraction']:.0%} {progress['message']}".strip()
    yield "arguments", json.dumps(job["arguments"], ensure_ascii=False)
    yield "attempt", str(job["attempt"])
    for name in ("created", "scheduled_for", "started", "ended"):
        key = name if name == "scheduled_for" else f"{name}_at"
        if job[key]:
            yield name.replace("_", " "), screen.when(job[key])
    if job["started_at"]:
        yield "took" if job["ended_at"] else "runs for", screen.span(job["started_at"], job["ended_at"])
    if job["worker"]:
        yield "worker", job["worker"]
    if job.get("after"):
        yield "after", "\n".join(job["after"])
        yield "if failed", job["if_failed"]
    for name in ("batch", "parent"):
        if job.get(name):
            yield name, job[name]
    if job.get("children"):
        yield "children", "\n".join(job["children"])
    if file := job.get("result_file"):
        yield "result", f"{describe.size(file['size'])} of JSON, which --output PATH saves"
    elif job["status"] == "finished":
        yield "result", json.dumps(job["result"], indent=1, ensure_ascii=False)
    if error := job["error"]:
        yield "error", f"{error['type']}: {error['message']}"
        if error["traceback"]:
            yield "traceback", error["traceback"].rstrip()
