"""What goes wrong at CloudFormation is told with the resource and its reason first, and with a way out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from botocore.stub import Stubber

from infra.deploy.deployment import Deployment
from infra.deploy.errors import DeployError, FailedError, RefusedError
from infra.deploy.events import Events, last_failure
from infra.deploy.stack import Stack
from tests.deploy import answers
from tests.deploy.console import Recorder

Deploy = Callable[..., Deployment]
BEFORE = ("desk", answers.STACK, "REVIEW_IN_PROGRESS", "User Initiated")
BEGUN = ("desk", answers.STACK, "CREATE_IN_PROGRESS", "User Initiated")
QUOTA = "You have reached the quota of nodes"
FAILED = ("RedisGroup", answers.REDIS, "CREATE_FAILED", QUOTA)
CANCELLED = ("Topic", "AWS::SNS::Topic", "CREATE_FAILED", "Resource creation cancelled")
ROLLING = ("desk", answers.STACK, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed: [RedisGroup]")


LOG_PROTECTED = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": ["Update:Replace", "Update:Delete"],
                "Principal": "*",
                "Resource": ["LogicalResourceId/Log"],
            },
        ]
    }
)
"""A stack policy."""


@pytest.fixture
def cloudformation(stack: Stack, stub: Callable[..., Stubber]) -> Iterator[Stubber]:
    """CloudFormation, which answers just what it is told, in this order."""
    with stub(stack.target, "cloudformation") as stubbed:
        yield stubbed
        stubbed.assert_no_pending_responses()


def no_stack(cloudformation: Stubber) -> None:
    cloudformation.add_client_error("describe_stacks", "ValidationError", "Stack desk does not exist")


def prepared(cloudformation: Stubber, *changes: dict[str, object]) -> None:
    """A change set is made and read."""
    ids = {"Id": answers.CHANGE_SET_ID, "StackId": answers.STACK_ID}
    cloudformation.add_response("create_change_set", ids)
    cloudformation.add_response("describe_change_set", answers.change_set(*changes))
    cloudformation.add_response("describe_change_set", answers.change_set(*changes))


def ends(cloudformation: Stubber, *entries: tuple[str, str, str, str]) -> None:
    """The change set runs, with these events."""
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE))
    cloudformation.add_response("execute_change_set", {})
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE, *entries))


def discarded(cloudformation: Stubber, *, shell: bool) -> None:
    expected = {"ChangeSetName": answers.CHANGE_SET_ID, "StackName": "desk"}
    cloudformation.add_response("delete_change_set", {}, expected)
    if shell:
        cloudformation.add_response("delete_stack", {}, {"StackName": "desk"})


def test_the_resource_that_failed_and_its_reason_come_first(
    deployment: Deploy, cloudformation: Stubber
) -> None:
    no_stack(cloudformation)
    prepared(cloudformation, answers.change("RedisGroup", answers.REDIS, "Add"))
    end = ("desk", answers.STACK, "ROLLBACK_COMPLETE", "")
    ends(cloudformation, BEGUN, CANCELLED, FAILED, ROLLING, end)
    console = Recorder(yes=True)
    with pytest.raises(FailedError) as caught:
        deployment(console=console).run()
    assert caught.value.status == 1
    assert str(caught.value).splitlines() == [
        f"RedisGroup ({answers.REDIS}) failed: {QUOTA}",
        "desk is ROLLBACK_COMPLETE: delete it with 'coatcheck destroy --stack desk', then deploy again",
    ]
    lines = console.told.splitlines()
    assert any(
        line.endswith(f"CREATE_FAILED                 RedisGroup  ({answers.REDIS}): {QUOTA}")
        for line in lines
    )
    assert any("ROLLBACK_IN_PROGRESS" in line and line.endswith("[RedisGroup]") for line in lines)


@pytest.mark.parametrize(
    ("status", "consequence"),
    [
        (
            "UPDATE_ROLLBACK_COMPLETE",
            "desk was rolled back: everything is as it was before (UPDATE_ROLLBACK_COMPLETE)",
        ),
        (
            "UPDATE_ROLLBACK_FAILED",
            "desk could not even be rolled back (UPDATE_ROLLBACK_FAILED); 'deploy' tells the way out",
        ),
    ],
)
def test_a_failed_update_is_told_with_what_it_means(
    deployment: Deploy, cloudformation: Stubber, status: str, consequence: str
) -> None:
    cloudformation.add_response("describe_stacks", answers.stacks("UPDATE_COMPLETE"))
    cloudformation.add_response("list_stack_resources", answers.resources())
    prepared(cloudformation, answers.change("Topic", "AWS::SNS::Topic"))
    cloudformation.add_response("list_stack_resources", answers.resources())
    cloudformation.add_response("set_stack_policy", {})
    failed = ("Topic", "AWS::SNS::Topic", "UPDATE_FAILED", "No")
    ends(cloudformation, failed, ("desk", answers.STACK, status, ""))
    cloudformation.add_response(
        "list_stack_resources", answers.resources(("Log", "AWS::Logs::LogGroup", "l"))
    )
    cloudformation.add_response(
        "set_stack_policy", {}, {"StackName": "desk", "StackPolicyBody": LOG_PROTECTED}
    )
    with pytest.raises(FailedError) as caught:
        deployment(given={"RedisUrl": "redis://own", "Name": "desk"}).run()
    assert str(caught.value).splitlines() == ["Topic (AWS::SNS::Topic) failed: No", consequence]


def test_a_stack_that_fails_by_itself_is_told_too(deployment: Deploy, cloudformation: Stubber) -> None:
    no_stack(cloudformation)
    prepared(cloudformation)
    ends(cloudformation, ("desk", answers.STACK, "CREATE_FAILED", "The rules were broken"))
    with pytest.raises(
        FailedError, match=r"^desk \(AWS::CloudFormation::Stack\) failed: The rules were broken"
    ):
        deployment().run()


def test_a_change_set_that_cannot_be_made_is_told(deployment: Deploy, cloudformation: Stubber) -> None:
    no_stack(cloudformation)
    ids = {"Id": answers.CHANGE_SET_ID, "StackId": answers.STACK_ID}
    cloudformation.add_response("create_change_set", ids)
    reason = "Transform AWS::Serverless-2016-10-31 failed with: no such property"
    cloudformation.add_response("describe_change_set", answers.change_set(status="FAILED", reason=reason))
    discarded(cloudformation, shell=True)
    with pytest.raises(DeployError, match=f"CloudFormation can't make a change set: {reason}"):
        deployment().run()


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information.",
        "No updates are to be performed.",
    ],
)
def test_no_changes_are_a_success(deployment: Deploy, cloudformation: Stubber, reason: str) -> None:
    cloudformation.add_response("describe_stacks", answers.stacks("UPDATE_ROLLBACK_COMPLETE"))
    cloudformation.add_response("list_stack_resources", answers.resources())
    cloudformation.add_response(
        "create_change_set", {"Id": answers.CHANGE_SET_ID, "StackId": answers.STACK_ID}
    )
    cloudformation.add_response("describe_change_set", answers.change_set(status="FAILED", reason=reason))
    discarded(cloudformation, shell=False)
    cloudformation.add_response("describe_stacks", answers.stacks("UPDATE_COMPLETE"))
    assert deployment().run().status == "UPDATE_COMPLETE"


@pytest.mark.parametrize(
    ("action", "replacement", "verb"),
    [("Modify", "True", "replace"), ("Modify", "Conditional", "may replace"), ("Remove", "", "delete")],
)
def test_redis_is_not_replaced_unless_it_is_named(
    deployment: Deploy, cloudformation: Stubber, action: str, replacement: str, verb: str
) -> None:
    cloudformation.add_response("describe_stacks", answers.stacks("CREATE_COMPLETE"))
    cloudformation.add_response("list_stack_resources", answers.resources())
    change = answers.change("RedisGroup", answers.REDIS, action, replacement, "Port", "Engine")
    prepared(cloudformation, change, answers.change("Topic", "AWS::SNS::Topic", "Modify", "True"))
    discarded(cloudformation, shell=False)
    with pytest.raises(RefusedError) as caught:
        deployment().run()
    assert caught.value.status == 3
    assert str(caught.value).splitlines() == [
        f"it would {verb} RedisGroup ({answers.REDIS}), since Port, Engine changes",
        "what it holds would be lost; if that is meant: --allow-replace RedisGroup",
    ]


def test_what_is_lost_stands_at_the_top_of_the_table(deployment: Deploy, cloudformation: Stubber) -> None:
    cloudformation.add_response("describe_stacks", answers.stacks("CREATE_COMPLETE"))
    cloudformation.add_response("list_stack_resources", answers.resources())
    topic = answers.change("Topic", "AWS::SNS::Topic", "Modify", "False", "DisplayName")
    prepared(cloudformation, topic, answers.change("RedisGroup", answers.REDIS, "Modify", "True", "Port"))
    discarded(cloudformation, shell=False)
    console = Recorder(yes=True)
    with pytest.raises(RefusedError):
        deployment(console=console).run()
    assert console.told.splitlines()[1:] == [
        "  ±  replace  RedisGroup  AWS::ElastiCache::ReplicationGroup  Port",
        "  ~  change   Topic       AWS::SNS::Topic                     DisplayName",
        "  1 to change, 1 to replace",
    ]


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        ("UPDATE_IN_PROGRESS", "another operation on desk is under way (UPDATE_IN_PROGRESS)"),
        ("ROLLBACK_COMPLETE", "it can only be deleted. Do so with 'coatcheck destroy --stack desk'"),
        ("CREATE_FAILED", "it can only be deleted. Do so with 'coatcheck destroy --stack desk'"),
        ("DELETE_FAILED", "it can only be deleted. Do so with 'coatcheck destroy --stack desk'"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name desk"),
    ],
)
def test_a_stack_that_takes_no_change_is_told_with_the_way_out(
    deployment: Deploy, cloudformation: Stubber, status: str, way_out: str
) -> None:
    cloudformation.add_response("describe_stacks", answers.stacks(status, "because"))
    with pytest.raises(DeployError) as caught:
        deployment().run()
    assert caught.value.status == 2
    assert way_out in str(caught.value)


def test_an_empty_stack_of_a_former_change_set_is_created(
    deployment: Deploy, cloudformation: Stubber
) -> None:
    cloudformation.add_response("describe_stacks", answers.stacks("REVIEW_IN_PROGRESS"))
    prepared(cloudformation, answers.change("Topic", "AWS::SNS::Topic", "Add"))
    ends(cloudformation, BEGUN, ("desk", answers.STACK, "CREATE_COMPLETE", ""))
    cloudformation.add_response("list_stack_resources", answers.resources(("Key", "AWS::KMS::Key", "k")))
    cloudformation.add_response("set_stack_policy", {})
    cloudformation.add_response("describe_stacks", answers.stacks("CREATE_COMPLETE"))
    assert deployment().run().status == "CREATE_COMPLETE"


def test_events_are_told_once_and_those_of_former_operations_not_at_all(
    stack: Stack, cloudformation: Stubber
) -> None:
    told: list[str] = []
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE))
    events = Events(stack, answers.STACK_ID, told.append)
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE))
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE, BEGUN))
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE, BEGUN))
    end = ("desk", answers.STACK, "CREATE_COMPLETE", "")
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE, BEGUN, end))
    assert events.follow() == "CREATE_COMPLETE"
    assert [line.split()[1] for line in told] == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]


def test_a_stack_at_rest_is_not_waited_for(stack: Stack, cloudformation: Stubber) -> None:
    for _ in range(1 + 15):
        cloudformation.add_response("describe_stack_events", answers.events(BEGUN))
    cloudformation.add_response("describe_stack_events", answers.events(BEGUN))
    cloudformation.add_response("describe_stacks", answers.stacks("UPDATE_IN_PROGRESS"))
    cloudformation.add_response("describe_stack_events", answers.events(BEGUN))
    cloudformation.add_response("describe_stacks", answers.stacks("UPDATE_COMPLETE"))
    assert Events(stack, answers.STACK_ID, print).follow() == "UPDATE_COMPLETE"


def test_a_stack_whose_events_are_gone_is_deleted(stack: Stack, cloudformation: Stubber) -> None:
    gone = "Stack [desk] does not exist"
    for _ in range(1 + 16):
        cloudformation.add_client_error("describe_stack_events", "ValidationError", gone)
    cloudformation.add_client_error("describe_stacks", "ValidationError", gone)
    assert Events(stack, answers.STACK_ID, print).follow() == "DELETE_COMPLETE"


def test_the_last_failure_is_that_of_the_last_operation(stack: Stack, cloudformation: Stubber) -> None:
    old = ("Old", "AWS::SNS::Topic", "UPDATE_FAILED", "long ago")
    again = ("desk", answers.STACK, "UPDATE_IN_PROGRESS", "User Initiated")
    end = ("desk", answers.STACK, "UPDATE_ROLLBACK_COMPLETE", "")
    cloudformation.add_response(
        "describe_stack_events", answers.events(BEGUN, old, again, FAILED, CANCELLED, ROLLING, end)
    )
    found = last_failure(stack)
    assert found is not None and found.told() == f"RedisGroup ({answers.REDIS}) failed: {QUOTA}"


def test_with_ctrl_c_cloudformation_goes_on_and_that_is_told(stack: Stack, cloudformation: Stubber) -> None:
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE))
    cloudformation.add_response("describe_stack_events", answers.events(BEFORE, BEGUN))
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if "CREATE_IN_PROGRESS" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Events(stack, answers.STACK_ID, tell).follow()
    assert told[1] == "CloudFormation goes on; look with: coatcheck status --stack desk"
