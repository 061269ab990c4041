"""Change sets: what an update would do, shown before it is done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.deploy.console import table
from infra.deploy.errors import DeployError
from infra.deploy.stack import Stack

CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
"""Roles without names of their own, and the SAM transform."""
UNCHANGED = ("didn't contain changes", "No updates are to be performed")
"""How CloudFormation says that a change set is empty: as the reason of its failure."""
SIGNS = {"add": "+", "change": "~", "replace": "±", "may replace": "±?", "delete": "-", "import": "<"}
VERBS = {"Add": "add", "Modify": "change", "Remove": "delete", "Import": "import", "Dynamic": "may replace"}


@dataclass(frozen=True)
class Change:
    """What happens to one resource. ``verb`` is a key of SIGNS; ``causes`` names properties."""

    verb: str
    name: str
    type: str
    causes: tuple[str, ...] = ()

    @property
    def loses(self) -> bool:
        """Whether the present resource would, or might, be gone afterwards."""
        return self.verb in ("replace", "may replace", "delete")


@dataclass(frozen=True)
class ChangeSet:
    """A change set that is ready to run. ``changes`` is empty when no resource changes, but an output."""

    id: str
    stack_id: str
    changes: tuple[Change, ...]


def create(
    stack: Stack,
    *,
    new: bool,
    template_url: str,
    parameters: Sequence[Mapping[str, Any]],
    tags: Mapping[str, str],
) -> ChangeSet | None:
    """Have CloudFormation compare a template with the stack.

    Takes the stack, whether it is a new one, the template's URL in S3, the parameters as CloudFormation
    takes them, and the tags for everything. Returns None if there is nothing to change.

    Raises DeployError when CloudFormation can't make the change set.
    """
    answer = stack.client.create_change_set(
        StackName=stack.name,
        ChangeSetName=f"coatcheck-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1_000_000:06d}",
        ChangeSetType="CREATE" if new else "UPDATE",
        TemplateURL=template_url,
        Parameters=list(parameters),
        Capabilities=CAPABILITIES,
        Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
        Description="Made by 'coatcheck'",
    )
    if reason := _failure(stack, answer["Id"]):
        discard(stack, answer["Id"], shell=new)
        if any(text in reason for text in UNCHANGED):
            return None
        raise DeployError(f"CloudFormation can't make a change set: {reason}")
    pages = stack.client.get_paginator("describe_change_set").paginate(
        ChangeSetName=answer["Id"], StackName=stack.name
    )
    changes = tuple(
        _change(entry["ResourceChange"])
        for page in pages
        for entry in page.get("Changes", [])
        if "ResourceChange" in entry
    )
    return ChangeSet(answer["Id"], answer["StackId"], changes)


def discard(stack: Stack, change_set_id: str, *, shell: bool) -> None:
    """Delete a change set that is not run; with ``shell`` also the empty stack that came with it."""
    stack.client.delete_change_set(ChangeSetName=change_set_id, StackName=stack.name)
    if shell:
        stack.delete()


def execute(stack: Stack, change_set: ChangeSet) -> None:
    """Begin to carry a change set out."""
    stack.client.execute_change_set(ChangeSetName=change_set.id, StackName=stack.name)


def show(changes: Sequence[Change]) -> str:
    """The changes as a table for people, those that lose something first."""
    order = sorted(
        changes, key=lambda change: (not change.loses, list(SIGNS).index(change.verb), change.name)
    )
    rows = [
        (SIGNS[change.verb], change.verb, change.name, change.type, ", ".join(change.causes))
        for change in order
    ]
    counts = {verb: sum(change.verb == verb for change in changes) for verb in SIGNS}
    summary = ", ".join(f"{count} to {verb}" for verb, count in counts.items() if count)
    return (
        f"{table(rows)}\n  {summary}"
        if rows
        else "  no resource changes, but the template or its parameters do"
    )


def _failure(stack: Stack, change_set_id: str) -> str | None:
    """Wait until the change set is made. Returns why it failed, None if it did not."""
    from botocore.exceptions import WaiterError

    try:
        stack.client.get_waiter("change_set_create_complete").wait(
            ChangeSetName=change_set_id, StackName=stack.name, WaiterConfig=stack.target.waiter()
        )
    except WaiterError as error:
        response = error.last_response
        return str(response.get("StatusReason") or response.get("Status") or error)
    return None


def _change(entry: Mapping[str, Any]) -> Change:
    verb = VERBS[entry["Action"]]
    if verb == "change":
        verb = {"True": "replace", "Conditional": "may replace"}.get(entry.get("Replacement", ""), verb)
    return Change(verb, entry["LogicalResourceId"], entry["ResourceType"], _causes(entry))


def _causes(entry: Mapping[str, Any]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for detail in entry.get("Details", []):
        target = detail.get("Target", {})
        names[target.get("Name") or target.get("Attribute") or "?"] = None
    return tuple(names)
