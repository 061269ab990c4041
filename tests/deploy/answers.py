"""What CloudFormation answers, for stubs of what moto does not play: failures, replacements, roll-backs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/desk/1"
CHANGE_SET_ID = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/coatcheck-1/1"
START = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)
STACK = "AWS::CloudFormation::Stack"
REDIS = "AWS::ElastiCache::ReplicationGroup"


def stacks(status: str, reason: str = "", **outputs: str) -> dict[str, Any]:
    """The answer to DescribeStacks."""
    return {
        "Stacks": [
            {
                "StackName": "desk",
                "StackId": STACK_ID,
                "StackStatus": status,
                "StackStatusReason": reason,
                "CreationTime": START,
                "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            }
        ]
    }


def events(*entries: tuple[str, str, str, str]) -> dict[str, Any]:
    """The answer to DescribeStackEvents: name, type, status and reason of each, oldest first."""
    made = [
        {
            "StackId": STACK_ID,
            "StackName": "desk",
            "EventId": f"{number}-{name}",
            "LogicalResourceId": name,
            "PhysicalResourceId": STACK_ID if kind == STACK else "",
            "ResourceType": kind,
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
            "Timestamp": START + timedelta(seconds=number),
        }
        for number, (name, kind, status, reason) in enumerate(entries)
    ]
    return {"StackEvents": made[::-1]}


def change_set(*changes: dict[str, Any], status: str = "CREATE_COMPLETE", reason: str = "") -> dict[str, Any]:
    """The answer to DescribeChangeSet."""
    return {
        "Status": status,
        "StatusReason": reason,
        "Changes": [{"Type": "Resource", "ResourceChange": change} for change in changes],
    }


def change(
    name: str, kind: str, action: str = "Modify", replacement: str = "", *causes: str
) -> dict[str, Any]:
    """One change of a change set."""
    made: dict[str, Any] = {"Action": action, "LogicalResourceId": name, "ResourceType": kind}
    if replacement:
        made["Replacement"] = replacement
    made["Details"] = [{"Target": {"Attribute": "Properties", "Name": cause}} for cause in causes]
    return made


def resources(*entries: tuple[str, str, str]) -> dict[str, Any]:
    """The answer to ListStackResources: name, type and physical id of each."""
    return {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": name,
                "ResourceType": kind,
                "PhysicalResourceId": physical,
                "ResourceStatus": "CREATE_COMPLETE",
                "LastUpdatedTimestamp": START,
            }
            for name, kind, physical in entries
        ]
    }
