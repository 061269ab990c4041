"""``coatcheck run``: submits a job of a task, and follows it."""

from __future__ import annotations

import argparse
import difflib
from argparse import Namespace
from typing import Any

from coatcheck.client import Client, Order
from coatcheck.errors import InvalidArgumentsError, UnknownTaskError
from infra.errors import StartError
from infra.remote import screen
from infra.remote.address import PATIENT, open_client
from infra.remote.files import sent
from infra.remote.follow import follow
from infra.remote.options import add_api_options, add_run_options
from infra.remote.task_options import TaskParser

OPTIONS = ("queue", "delay", "at", "timeout", "callback", "after", "if_failed")
"""Options of ``run`` that are the API's."""


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck run``. Returns the exit status. Raises CoatcheckError."""
    with open_client(_with_rest(arguments)) as client:
        parser = TaskParser(_task(client, arguments.task))
        client.retry_for = PATIENT
        called = parser.read(arguments.rest, arguments.arg or ())
        options = Namespace(**{**vars(arguments), **called.options})
        given = {name: getattr(options, name) for name in OPTIONS}
        given["after"] = given["after"] or ()
        ready = sent(client, called.arguments, bool(options.quiet))
        order = Order[Any](arguments.task, ready, **given)
        try:
            ticket = client.submit_order(order, options.idempotency_key)
        except InvalidArgumentsError as error:
            parser.refused(error)
        if not options.detach:
            return follow(ticket, json=bool(options.json), quiet=bool(options.quiet), output=options.output)
        if options.json:
            screen.document(ticket.document)
        else:
            print(ticket.id, flush=True)
        return 0


def _with_rest(arguments: Namespace) -> Namespace:
    """The options with those of ours that follow the task's name, which tell where to ask for its own."""
    parser = argparse.ArgumentParser(
        prog="coatcheck run", add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    add_api_options(parser, argparse.SUPPRESS)
    add_run_options(parser, argparse.SUPPRESS)
    found, _ = parser.parse_known_args(arguments.rest)
    return Namespace(**{**vars(arguments), **vars(found)})


def _task(client: Client, name: str) -> dict[str, Any]:
    """The task. Raises StartError: there is none of that name."""
    try:
        return client.task(name)
    except UnknownTaskError as error:
        names = [task["name"] for task in client.list_tasks()]
        close = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else "'coatcheck tasks' lists those that exist."
        raise StartError(f"there is no task {name}; {hint}") from error
