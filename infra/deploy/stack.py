"""A CloudFormation stack: what state it is in, and what can be done with it then."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.deploy.errors import DeployError, code, message
from infra.deploy.target import Target

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]{0,127}")
"""What CloudFormation takes as the name of a stack."""
FRESH = {"REVIEW_IN_PROGRESS"}
"""A stack of which there is only a change set yet: nothing of it exists."""
STILLBORN = {"ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED"}
"""The first deployment failed: CloudFormation only lets it be deleted."""
STUCK = {"UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"}
HEALTHY = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}


@dataclass(frozen=True)
class Resource:
    """A resource of the stack. ``id`` is its physical id, empty while it has none."""

    name: str
    type: str
    id: str
    status: str
    reason: str


@dataclass(frozen=True)
class State:
    """What CloudFormation tells about a stack."""

    id: str
    status: str
    reason: str
    changed: datetime
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def fresh(self) -> bool:
        """Whether nothing of it exists yet."""
        return self.status in FRESH

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self.status.endswith("_IN_PROGRESS") and not self.fresh


class Stack:
    """Takes the target and the stack's name. Raises DeployError for a name that is none."""

    def __init__(self, target: Target, name: str) -> None:
        if not NAME.fullmatch(name):
            raise DeployError(
                f"--stack {name}: a stack's name has up to 128 letters, digits and hyphens, a letter first"
            )
        self.name = name
        self.target = target
        self.client = target.client("cloudformation")

    def look(self, stack_id: str | None = None) -> State | None:
        """Its state, None if there is no such stack. A deleted one is found by its id only."""
        try:
            found = self.client.describe_stacks(StackName=stack_id or self.name)["Stacks"][0]
        except self.client.exceptions.ClientError as error:
            if code(error) == "ValidationError" and "does not exist" in message(error):
                return None
            raise
        return State(
            id=found["StackId"],
            status=found["StackStatus"],
            reason=found.get("StackStatusReason", ""),
            changed=found.get("LastUpdatedTime", found["CreationTime"]),
            parameters={
                entry["ParameterKey"]: entry.get("ParameterValue", "")
                for entry in found.get("Parameters", [])
            },
            outputs={entry["OutputKey"]: entry["OutputValue"] for entry in found.get("Outputs", [])},
        )

    def existing(self) -> State:
        """Its state. Raises DeployError if nothing of it exists."""
        state = self.look()
        if state is None or state.fresh:
            raise DeployError(
                f"there is no stack {self.name} at {self.target.title}; make it: {self.command('deploy')}"
            )
        return state

    def resources(self) -> list[Resource]:
        """All its resources, by name."""
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return sorted(
            (
                Resource(
                    entry["LogicalResourceId"],
                    entry["ResourceType"],
                    entry.get("PhysicalResourceId", ""),
                    entry["ResourceStatus"],
                    entry.get("ResourceStatusReason", ""),
                )
                for page in pages
                for entry in page["StackResourceSummaries"]
            ),
            key=lambda resource: resource.name,
        )

    def existing_id(self, name: str) -> str | None:
        """The id (or ARN) of a resource of the stack, None if it has no such one.

        Raises DeployError: there is no stack.
        """
        self.existing()
        return next((entry.id for entry in self.resources() if entry.name == name and entry.id), None)

    def ready(self, state: State | None) -> None:
        """Check that a change set can be made. Raises DeployError with the way out."""
        if state is None or state.fresh:
            return
        if state.busy:
            raise DeployError(
                f"another operation on {self.name} is under way ({state.status}); wait for its end"
                f" and look with: {self.command('status')}"
            )
        if state.status == "UPDATE_ROLLBACK_FAILED":
            raise DeployError(
                f"{self.name} could not be rolled back ({state.reason or 'no reason given'}). Remove the"
                " cause and let CloudFormation go on: aws cloudformation continue-update-rollback"
                f" --stack-name {self.name} (with --resources-to-skip NAME for what can't be mended),"
                " then deploy again"
            )
        if state.status in STUCK | STILLBORN:
            raise DeployError(
                f"{self.name} is {state.status}: it can only be deleted. Do so with"
                f" '{self.command('destroy')}', then deploy again"
            )

    def template(self) -> Mapping[str, Any]:
        """The template that the stack was made of, transformed."""
        body = self.client.get_template(StackName=self.name, TemplateStage="Processed")["TemplateBody"]
        parsed: Mapping[str, Any] = json.loads(body) if isinstance(body, str) else body
        return parsed

    def delete(self) -> None:
        """Begin to delete it."""
        self.client.delete_stack(StackName=self.name)

    def protect(self, names: Iterable[str]) -> None:
        """Let CloudFormation itself refuse to replace or delete these resources in an update.

        LocalStack has no such policies: does nothing there.
        """
        if self.target.kind == "localstack":
            return
        self.client.set_stack_policy(StackName=self.name, StackPolicyBody=json.dumps(_policy(sorted(names))))

    def command(self, name: str) -> str:
        """A command of ours for this stack, for a message to name."""
        parts = ["coatcheck", name]
        if self.target.kind != "aws":
            parts += ["--target", self.target.kind]
        if self.name != "coatcheck":
            parts += ["--stack", self.name]
        return " ".join(parts)


def _policy(names: list[str]) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
    deny = {
        "Effect": "Deny",
        "Action": ["Update:Replace", "Update:Delete"],
        "Principal": "*",
        "Resource": [f"LogicalResourceId/{name}" for name in names],
    }
    return {"Statement": [allow, deny] if names else [allow]}
