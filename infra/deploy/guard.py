"""Keeps resources that hold data from being replaced or deleted by an update."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from infra.deploy.changes import Change
from infra.deploy.errors import DeployError, RefusedError
from infra.deploy.stack import Resource

STATEFUL = {
    "AWS::DynamoDB::Table",
    "AWS::ECR::Repository",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}
"""Types of resources that are not the same when they are made anew."""


def check(changes: Sequence[Change], allowed: Collection[str]) -> None:
    """Refuse what would lose data.

    Takes the changes and the names given with ``--allow-replace``.

    Raises RefusedError that names each such resource, DeployError for an allowed name that is no change.
    """
    if strangers := sorted(set(allowed) - {change.name for change in changes}):
        raise DeployError(f"--allow-replace {strangers[0]}: no such resource is changed")
    losses = [change for change in changes if change.loses and change.type in STATEFUL]
    if refused := [change for change in losses if change.name not in allowed]:
        lines = [f"it would {change.verb} {change.name} ({change.type}){_why(change)}" for change in refused]
        options = " ".join(f"--allow-replace {change.name}" for change in refused)
        raise RefusedError("\n".join([*lines, f"what it holds would be lost; if that is meant: {options}"]))


def protected(resources: Iterable[Resource], allowed: Collection[str] = ()) -> list[str]:
    """The names of the resources that CloudFormation shall refuse to replace or delete."""
    return [
        resource.name for resource in resources if resource.type in STATEFUL and resource.name not in allowed
    ]


def _why(change: Change) -> str:
    return f", since {', '.join(change.causes)} changes" if change.causes else ""
