"""``coatcheck destroy``: what goes, what is kept and named, and what can't be deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber

from infra.deploy import destroy, guard
from infra.deploy.deployment import Deployment
from infra.deploy.destroy import Remains
from infra.deploy.errors import FailedError
from infra.deploy.stack import Resource, Stack
from infra.template import load_extra
from tests.deploy import answers
from tests.deploy.console import Recorder

Deploy = Callable[..., Deployment]
BEGUN = ("desk", answers.STACK, "DELETE_IN_PROGRESS", "User Initiated")
KEY = "AWS::KMS::Key"


def test_everything_goes_with_the_stack(deployment: Deploy, stack: Stack) -> None:
    deployment().run()
    console = Recorder(yes=True)
    remains = destroy.destroy(stack, stack.existing(), console)
    assert remains == Remains((), ())
    assert str(remains) == ""
    assert stack.look() is None
    assert stack.target.client("logs").describe_log_groups()["logGroups"] == []
    assert stack.target.client("s3").list_buckets()["Buckets"] == []
    assert "DELETE_COMPLETE" in console.told


def test_what_is_kept_is_named_and_so_are_the_snapshots(stack: Stack, stub: Callable[..., Stubber]) -> None:
    cloudformation = stub(stack.target, "cloudformation")
    cloudformation.add_response("describe_stacks", answers.stacks("UPDATE_COMPLETE"))
    listed = answers.resources(
        ("RedisGroup", answers.REDIS, "desk"),
        ("RedisKey", KEY, "1234-5678"),
        ("Topic", "AWS::SNS::Topic", "t"),
    )
    cloudformation.add_response("list_stack_resources", listed)
    cloudformation.add_response("describe_stack_events", answers.events())
    cloudformation.add_response("delete_stack", {}, {"StackName": "desk"})
    end = ("desk", answers.STACK, "DELETE_COMPLETE", "")
    kept = ("RedisKey", KEY, "DELETE_SKIPPED", "")
    cloudformation.add_response("describe_stack_events", answers.events(BEGUN, kept, end))
    snapshots = [
        {"SnapshotName": "desk-final-2", "ReplicationGroupId": "desk"},
        {"SnapshotName": "shelf-final", "ReplicationGroupId": "shelf"},
        {"SnapshotName": "desk-final-1", "ReplicationGroupId": "desk"},
        {"SnapshotName": "of-a-cluster", "CacheClusterId": "desk"},
    ]
    stub(stack.target, "elasticache").add_response("describe_snapshots", {"Snapshots": snapshots})
    remains = destroy.destroy(stack, stack.existing(), Recorder(yes=True))
    assert str(remains).splitlines() == [
        "  kept      AWS::KMS::Key                       1234-5678",
        "  snapshot  AWS::ElastiCache::ReplicationGroup  desk-final-1",
        "  snapshot  AWS::ElastiCache::ReplicationGroup  desk-final-2",
    ]
    document: dict[str, Any] = remains.document()
    assert document["snapshots"] == ["desk-final-1", "desk-final-2"]
    assert [(entry["name"], entry["id"]) for entry in document["kept"]] == [("RedisKey", "1234-5678")]
    cloudformation.assert_no_pending_responses()


def test_what_cannot_be_deleted_comes_first_and_the_bucket_stays(
    deployment: Deploy, stack: Stack, stub: Callable[..., Stubber]
) -> None:
    deployment().run()
    cloudformation = stub(stack.target, "cloudformation")
    cloudformation.add_response("describe_stacks", answers.stacks("UPDATE_COMPLETE"))
    cloudformation.add_response("list_stack_resources", answers.resources())
    cloudformation.add_response("describe_stack_events", answers.events())
    cloudformation.add_response("delete_stack", {})
    failed = ("Group", "AWS::EC2::SecurityGroup", "DELETE_FAILED", "it has a dependent object")
    end = ("desk", answers.STACK, "DELETE_FAILED", "")
    cloudformation.add_response("describe_stack_events", answers.events(BEGUN, failed, end))
    with pytest.raises(FailedError) as caught:
        destroy.destroy(stack, stack.existing(), Recorder(yes=True))
    assert str(caught.value).splitlines() == [
        "Group (AWS::EC2::SecurityGroup) failed: it has a dependent object",
        "desk is DELETE_FAILED: remove the cause, then again: coatcheck destroy --stack desk",
    ]
    assert len(stack.target.client("s3").list_buckets()["Buckets"]) == 1


def test_the_files_are_kept_as_the_jobs_are() -> None:
    template = load_extra()
    listed = [
        Resource(name, str(template["Resources"][name]["Type"]), "id", "CREATE_COMPLETE", "")
        for name in ("FilesBucket", "FilesPolicy", "Key")
    ]
    kept = [line.split()[1] for line in destroy.plan(listed, template).splitlines() if "keep" in line]
    assert kept == ["FilesBucket", "FilesPolicy"]
    assert "FilesBucket" in guard.protected(listed)


def test_the_plan_tells_what_is_kept_first() -> None:
    def resource(name: str, kind: str, status: str = "CREATE_COMPLETE") -> Resource:
        return Resource(name, kind, "id", status, "")

    listed = [
        resource("Gone", "AWS::SNS::Topic", "DELETE_COMPLETE"),
        resource("Key", KEY),
        resource("RedisGroup", answers.REDIS),
        resource("RedisKey", KEY),
        resource("Role", "AWS::IAM::Role"),
    ]
    template = {
        "Resources": {
            "Key": {"DeletionPolicy": "Delete"},
            "RedisGroup": {"DeletionPolicy": "Snapshot"},
            "RedisKey": {"DeletionPolicy": "RetainExceptOnCreate"},
            "Role": {"DeletionPolicy": "Retain"},
        }
    }
    assert destroy.plan(listed, template).splitlines() == [
        "  keep                   RedisKey    AWS::KMS::Key",
        "  keep                   Role        AWS::IAM::Role",
        "  snapshot, then delete  RedisGroup  AWS::ElastiCache::ReplicationGroup",
        "  delete                 Key         AWS::KMS::Key",
    ]
