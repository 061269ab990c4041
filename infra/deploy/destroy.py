"""Deleting a stack: what goes, what is kept, and where that is afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from infra.deploy import localstack
from infra.deploy.artefacts import Artefacts
from infra.deploy.console import Console, table
from infra.deploy.errors import FailedError
from infra.deploy.events import Events
from infra.deploy.stack import Resource, Stack, State

CACHE = "AWS::ElastiCache::ReplicationGroup"


@dataclass(frozen=True)
class Remains:
    """What is left: resources that the template says to keep, and the snapshots of the data."""

    kept: tuple[Resource, ...] = ()
    snapshots: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"kept": [asdict(resource) for resource in self.kept], "snapshots": list(self.snapshots)}

    def __str__(self) -> str:
        rows = [("kept", resource.type, resource.id) for resource in self.kept]
        rows += [("snapshot", CACHE, name) for name in self.snapshots]
        return table(rows)


def plan(resources: Sequence[Resource], template: Mapping[str, Any]) -> str:
    """What would happen to each resource, as a table for people: what is kept first."""
    policies = {
        name: spec.get("DeletionPolicy", "Delete") for name, spec in template.get("Resources", {}).items()
    }
    verbs = {"Retain": "keep", "RetainExceptOnCreate": "keep", "Snapshot": "snapshot, then delete"}
    rows = [
        (verbs.get(policies.get(resource.name, "Delete"), "delete"), resource.name, resource.type)
        for resource in resources
        if resource.status != "DELETE_COMPLETE"
    ]
    return table(sorted(rows, key=lambda row: (row[0] == "delete", row)))


def destroy(stack: Stack, state: State | None, console: Console) -> Remains:
    """Delete a stack and its bucket, and wait for the end.

    Takes the stack, its state and where to tell the progress. Returns what remains. Without a stack
    there may be a bucket still, of a deployment that nobody confirmed.

    Raises FailedError that begins with the resource that could not be deleted.
    """
    remains = _delete(stack, state, console) if state else Remains()
    Artefacts(stack.target, stack.name).delete()
    return remains


def _delete(stack: Stack, state: State, console: Console) -> Remains:
    resources = stack.resources()
    events = Events(stack, state.id, console.tell)
    stack.delete()
    status = events.follow()
    if status != "DELETE_COMPLETE":
        again = f"remove the cause, then again: {stack.command('destroy')}"
        raise FailedError(f"{events.told_failure()}\n{stack.name} is {status}: {again}")
    if stack.target.kind == "localstack":
        localstack.clean(stack.target, resources)
    skipped = {event.name for event in events.all if event.status == "DELETE_SKIPPED"}
    return Remains(
        tuple(resource for resource in resources if resource.name in skipped),
        tuple(
            name for resource in resources if resource.type == CACHE for name in _snapshots(stack, resource)
        ),
    )


def _snapshots(stack: Stack, cache: Resource) -> list[str]:
    """The snapshots that there are of a cache, even if it is gone."""
    pages = stack.target.client("elasticache").get_paginator("describe_snapshots").paginate()
    return sorted(
        entry["SnapshotName"]
        for page in pages
        for entry in page["Snapshots"]
        if entry.get("ReplicationGroupId") == cache.id
    )
