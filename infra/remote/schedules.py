"""``coatcheck schedules``: the periodic tasks, when they run, and their pause."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.text import Text

from coatcheck.client import Client
from infra.errors import StartError
from infra.remote import screen
from infra.remote.address import open_client

HEADS = ("TASK", "WHEN", "ZONE", "NEXT", "LAST", "LAST JOB", "SKIPPED")
OVERLAP = {"skip": "a tick is skipped while the job before runs", "queue": "a tick has its job all the same"}
CATCH_UP = {"last": "the last one", "all": "all", "none": "none"}


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck schedules``. Returns the exit status. Raises CoatcheckError."""
    if not arguments.name and (arguments.pause or arguments.resume or arguments.run):
        raise StartError("--pause, --resume and --run need the task's name")
    with open_client(arguments) as client:
        if arguments.run:
            ticket = client.run_schedule(arguments.name)
            if arguments.json:
                screen.document(ticket.document)
            else:
                print(ticket.id, flush=True)
        elif arguments.name:
            _one(client, arguments)
        else:
            _all(client, arguments)
    return 0


def _one(client: Client, arguments: Namespace) -> None:
    if arguments.pause:
        schedule = client.pause_schedule(arguments.name)
    elif arguments.resume:
        schedule = client.resume_schedule(arguments.name)
    else:
        schedule = client.schedule(arguments.name)
    if arguments.json:
        screen.document(schedule)
    elif arguments.pause or arguments.resume:
        then = "paused" if schedule["paused"] else f"runs next at {screen.when(schedule['next'])}"
        screen.errors().print(f"{schedule['task']} {then}")
    else:
        screen.show(screen.fields(_fields(schedule)))


def _all(client: Client, arguments: Namespace) -> None:
    schedules = client.list_schedules()
    if arguments.json:
        screen.document({"schedules": schedules})
        return
    screen.show(screen.table(HEADS, map(_row, schedules)))
    if not schedules:
        screen.errors().print("no task runs by itself: @task(cron=...) or @task(every=...) lets one do so")


def _row(schedule: Any) -> Iterator[str | Text]:
    yield schedule["task"]
    yield schedule["words"]
    yield _zone(schedule)
    yield Text("paused", "yellow") if schedule["paused"] else screen.when(schedule["next"])
    yield screen.when(schedule["last"])
    yield schedule["last_job"] or ""
    yield str(schedule["skipped"])


def _fields(schedule: Any) -> Iterator[tuple[str, str | Text]]:
    yield "task", schedule["task"]
    yield "when", schedule["words"]
    if schedule["cron"]:
        yield "cron", schedule["cron"]
        yield "zone", schedule["timezone"]
    yield "arguments", json.dumps(schedule["arguments"], ensure_ascii=False)
    yield "overlap", OVERLAP.get(schedule["overlap"], schedule["overlap"])
    yield "missed ones", CATCH_UP.get(schedule["catch_up"], schedule["catch_up"])
    for number, tick in enumerate(schedule["coming"]):
        yield "then" if number else "next", _both_times(tick, schedule)
    if schedule["paused"]:
        yield "next", Text("paused", "yellow")
    if schedule["last"]:
        yield "last", _both_times(schedule["last"], schedule)
    if schedule["last_job"]:
        yield "last job", schedule["last_job"]
    yield "skipped", str(schedule["skipped"])


def _zone(schedule: Any) -> str:
    """The zone of the expression; what counts seconds needs none."""
    return str(schedule["timezone"]) if schedule["cron"] else ""


def _both_times(text: str, schedule: Any) -> str:
    """A time here, and in the schedule's zone where it is another one."""
    here = screen.when(text)
    try:
        there = datetime.fromisoformat(text).astimezone(ZoneInfo(_zone(schedule) or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):  # this machine knows fewer zones than the API's
        return here
    shown = there.strftime("%Y-%m-%d %H:%M:%S")
    return here if shown == here or not schedule["cron"] else f"{here} ({shown} in {schedule['timezone']})"
