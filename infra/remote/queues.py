"""``coatcheck queues``: what waits, and which workers do what."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text

from coatcheck.client import Client
from infra.remote import screen
from infra.remote.address import open_client

INTERVAL = 2.0
"""Seconds between two looks of --watch."""
COUNTS = ("queued", "started", "scheduled", "failed", "finished")


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck queues``. Returns the exit status. Raises CoatcheckError."""
    with open_client(arguments) as client:
        if arguments.watch:
            _watch(client, arguments.json)
        elif arguments.json:
            screen.document({"queues": client.list_queues()})
        else:
            screen.show(_view(client.list_queues()))
    return 0


def _watch(client: Client, as_json: bool) -> None:
    """Look again and again: a line of JSON each time, a new text each time, or on a terminal in place."""
    if sys.stdout.isatty() and not as_json:
        with Live(console=screen.output(), auto_refresh=False) as live:
            while True:
                live.update(_view(client.list_queues()), refresh=True)
                time.sleep(INTERVAL)
    while True:
        queues = client.list_queues()
        if as_json:
            print(json.dumps({"queues": queues}), flush=True)
        else:
            screen.show(_view(queues))
        time.sleep(INTERVAL)


def _view(queues: list[dict[str, Any]]) -> Group:
    heads = ("QUEUE", *(name.upper() for name in COUNTS), "OLDEST WAIT", "WORKERS")
    above = screen.table(heads, map(_queue, queues))
    workers = [_worker(queue["name"], worker) for queue in queues for worker in queue["workers"]]
    if not workers:
        return Group(above, Text("\nno workers"))
    return Group(above, Text(""), screen.table(("WORKER", "QUEUE", "STATE", "JOB"), workers))


def _queue(queue: dict[str, Any]) -> Iterator[str | Text]:
    yield queue["name"]
    for name in COUNTS:
        yield str(queue["counts"].get(name, 0))
    yield "" if queue["oldest_wait"] is None else screen.seconds(queue["oldest_wait"])
    yield str(len(queue["workers"]))


def _worker(queue: str, worker: dict[str, Any]) -> tuple[str, ...]:
    return f"{worker['hostname']}/{worker['pid']}", queue, worker["state"], worker["job"] or ""
