"""``coatcheck tasks``: lists the tasks, or shows one."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from infra.remote import describe, screen
from infra.remote.address import open_client


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck tasks``. Returns the exit status. Raises CoatcheckError."""
    with open_client(arguments) as client:
        tasks = [client.task(arguments.name)] if arguments.name else client.list_tasks()
    if arguments.json:
        screen.document(tasks[0] if arguments.name else {"tasks": tasks})
    elif arguments.quiet:
        for task in tasks:
            print(task["name"], flush=True)
    elif arguments.name:
        _show(tasks[0])
    else:
        heads = ("NAME", "QUEUE", "DESCRIPTION")
        screen.show(screen.table(heads, ((task["name"], task["queue"], _first_line(task)) for task in tasks)))
    return 0


def _show(task: Any) -> None:
    screen.show(
        screen.fields(
            [
                ("name", task["name"]),
                ("description", task["description"]),
                ("queue", task["queue"]),
                ("time-out", f"{task['timeout']} s"),
                ("retries", "none" if task["retries"] is None else str(task["retries"])),
                ("result", describe.words(task["result"], task["result"].get("$defs", {}))),
            ]
        )
    )
    rows = list(_arguments(task["schema"]))
    print(flush=True)
    if rows:
        screen.show(screen.table(("ARGUMENT", "TYPE", "DEFAULT", "DESCRIPTION"), rows))
    else:
        print("no arguments", flush=True)


def _arguments(schema: Any) -> Iterator[tuple[str, ...]]:
    definitions = schema.get("$defs", {})
    for name, argument in schema.get("properties", {}).items():
        told = describe.resolved(argument, definitions).get("description", "")
        default = "required" if name in schema.get("required", ()) else ""
        if "default" in argument:
            default = json.dumps(argument["default"], ensure_ascii=False)
        yield name, describe.words(argument, definitions), default, told


def _first_line(task: Any) -> str:
    return str(task["description"] or task["title"]).partition("\n")[0]
