"""A stack's events: followed as lines while an operation lasts, and searched for what failed first."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from infra.deploy.errors import code
from infra.deploy.stack import Stack

CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled", "Resource deletion cancelled")
"""Reasons of resources that failed only because another one did."""
SETTLED = 15
"""Looks without an event after which a stack at rest counts as done, though no event told its end."""


@dataclass(frozen=True)
class Event:
    """One step of one resource."""

    id: str
    time: Any
    name: str
    type: str
    status: str
    reason: str
    of_stack: bool

    @property
    def failed(self) -> bool:
        """Whether this is a failure of its own, and not the consequence of another one."""
        return self.status.endswith("_FAILED") and not self.reason.startswith(CONSEQUENCES)

    @property
    def final(self) -> bool:
        """Whether the whole operation has ended with it."""
        return self.of_stack and not self.status.endswith("_IN_PROGRESS")

    def told(self) -> str:
        """The failure as a sentence."""
        return f"{self.name} ({self.type}) failed: {self.reason or 'no reason given'}"

    def __str__(self) -> str:
        moment = self.time.astimezone().strftime("%H:%M:%S")
        line = f"{moment}  {self.status:<28}  {self.name}  ({self.type})"
        told = self.reason and self.status.endswith(("_FAILED", "ROLLBACK_IN_PROGRESS"))
        return f"{line}: {self.reason}" if told else line


class Events:
    """The events of one operation. Make it before the operation begins.

    Takes the stack, its id, and the function that shows a line.
    """

    def __init__(self, stack: Stack, stack_id: str, tell: Callable[[str], None]) -> None:
        self._stack = stack
        self._stack_id = stack_id
        self._tell = tell
        self._before = next((entry["EventId"] for entry in self._entries()), None)
        self.all: list[Event] = []

    def follow(self) -> str:
        """Show each event until the operation has ended. Returns the stack's status then."""
        try:
            return self._follow()
        except KeyboardInterrupt:
            self._tell(f"CloudFormation goes on; look with: {self._stack.command('status')}")
            raise

    def _follow(self) -> str:
        seen: set[str] = set()
        quiet = 0
        while True:
            new = [event for event in self._read() if event.id not in seen]
            for event in new:
                seen.add(event.id)
                self.all.append(event)
                self._tell(str(event))
            if ends := [event.status for event in new if event.final]:
                return ends[-1]
            quiet = 0 if new else quiet + 1
            if quiet > SETTLED and (status := self._at_rest()):
                return status
            time.sleep(self._stack.target.delay)

    def failure(self) -> Event | None:
        """What failed first, the stack itself only if no resource did."""
        failed = sorted((event for event in self.all if event.failed), key=lambda event: event.of_stack)
        return failed[0] if failed else None

    def told_failure(self) -> str:
        """The same as a sentence."""
        failure = self.failure()
        return failure.told() if failure else "something failed, and CloudFormation gives no reason"

    def _at_rest(self) -> str | None:
        """The stack's status if nothing is under way."""
        state = self._stack.look(self._stack_id)
        if state is None:
            return "DELETE_COMPLETE"
        return None if state.busy or state.fresh else state.status

    def _read(self) -> list[Event]:
        """The events since the operation began, oldest first."""
        new = itertools.takewhile(lambda entry: entry["EventId"] != self._before, self._entries())
        return sorted((_event(entry) for entry in reversed(list(new))), key=lambda event: event.time)

    def _entries(self) -> Iterator[Any]:
        """All events as CloudFormation gives them, newest first."""
        pages = self._stack.client.get_paginator("describe_stack_events").paginate(StackName=self._stack_id)
        try:
            for page in pages:
                yield from page["StackEvents"]
        except self._stack.client.exceptions.ClientError as error:
            if code(error) != "ValidationError":  # it is deleted, and LocalStack forgot it
                raise


def last_failure(stack: Stack) -> Event | None:
    """What failed first in the stack's last operation, None if all went well."""
    pages = stack.client.get_paginator("describe_stack_events").paginate(StackName=stack.name)
    found: Event | None = None
    for entry in (entry for page in pages for entry in page["StackEvents"]):
        event = _event(entry)
        if event.failed and not (event.of_stack and found):
            found = event
        if event.of_stack and event.reason == "User Initiated":
            break
    return found


def _event(entry: Any) -> Event:
    return Event(
        entry["EventId"],
        entry["Timestamp"],
        entry["LogicalResourceId"],
        entry["ResourceType"],
        entry["ResourceStatus"],
        entry.get("ResourceStatusReason", ""),
        entry.get("PhysicalResourceId") == entry["StackId"],
    )
