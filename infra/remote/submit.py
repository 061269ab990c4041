"""``coatcheck submit``: submits the jobs of a file as one batch."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import fields
from pathlib import Path
from typing import Any

from coatcheck.client import Order
from infra.errors import StartError
from infra.remote import screen
from infra.remote.address import PATIENT, open_client
from infra.remote.batch import wait

NAMES = frozenset(field.name for field in fields(Order))


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck submit``. Returns the exit status. Raises CoatcheckError."""
    orders = read_orders(arguments.file)
    with open_client(arguments) as client:
        client.retry_for = PATIENT
        flow = client.workflow()
        for order in orders:
            flow.add(order)
        [first, *_] = flow.submit(idempotency_key=arguments.idempotency_key)
        batch = client.batch(str(first.job.batch))
        if arguments.wait:
            return wait(batch, json=bool(arguments.json))
        if arguments.json:
            screen.document(batch.document)
        else:
            print(batch.id, flush=True)
    return 0


def read_orders(file: str) -> list[Order[Any]]:
    """The jobs of a file. Raises StartError: it can't be read, or is no batch."""
    try:
        document = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text())
    except OSError as error:
        raise StartError(f"{file} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"{file} is not JSON: {error}") from error
    if isinstance(document, dict) and document.keys() == {"jobs"}:
        document = document["jobs"]
    if not isinstance(document, list) or not document:
        raise StartError(f'{file} should hold {{"jobs": [...]}}, or the list alone, of at least one job')
    return [_order(entry, f"job {number} of {file}") for number, entry in enumerate(document)]


def _order(entry: Any, place: str) -> Order[Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("task"), str):
        raise StartError(f"{place} should be an object with a task")
    if unknown := entry.keys() - NAMES:
        raise StartError(f"{place}: {', '.join(sorted(unknown))} is not known")
    given = {name: value for name, value in entry.items() if value is not None}
    after = given.get("after", [])
    if not isinstance(after, list) or not all(isinstance(each, str) for each in after):
        raise StartError(f"{place}: after should be a list of refs and ids")
    return Order(**given)
