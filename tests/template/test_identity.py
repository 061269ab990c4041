"""Roles, keys and logs: who may do what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.cloudformation import Stack
from tests.template.conftest import CASES, WITH_REDIS, WITH_TOKENS

pytestmark = pytest.mark.parametrize("case", CASES)
ARN = "arn:aws:{}:eu-central-1:123456789012:{}"
REDIS = [ARN.format("elasticache", "replicationgroup:desk-1"), ARN.format("elasticache", "user:desk-1")]
NETWORK = {
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
}
ARN_OF_FILES = "arn:aws:s3:::desk-1-files-123456789012-01234567"
WITHOUT_RESOURCES = {
    "ecr:GetAuthorizationToken",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
} | NETWORK
"""Actions for which AWS takes no resource, or none that could be named before it is made."""


@pytest.fixture
def made(case: str, stack: Callable[..., Stack]) -> Stack:
    return stack(case, Name="desk-1")


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role.get("Policies", []):
        assert policy["PolicyDocument"]["Version"] == "2012-10-17"
        yield from policy["PolicyDocument"]["Statement"]


def allowed(made: Stack, role: str) -> set[tuple[str, str]]:
    """All pairs of action and resource that a role's own policies allow."""
    return {
        (action, resource)
        for statement in statements(made[role])
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def log_writing(group: str) -> set[tuple[str, str]]:
    arn = ARN.format("logs", f"log-group:/coatcheck/desk-1/{group}:*")
    return {("logs:CreateLogStream", arn), ("logs:PutLogEvents", arn)}


TRACES = {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}
FILES = [ARN_OF_FILES + f"/{kept}/*" for kept in ("d1", "d7", "d30", "d365")]
LIST = {("s3:ListBucket", ARN_OF_FILES)}
SENT_AND_GOT = {
    (f"s3:{action}", arn)
    for action in ("AbortMultipartUpload", "DeleteObject", "GetObject", "PutObject")
    for arn in FILES
} | LIST
"""What functions and workers do with files, whose keys begin with how long they are kept."""
PARTS = {("s3:ListMultipartUploadParts", arn) for arn in FILES}
CONNECT = {("elasticache:Connect", arn) for arn in REDIS}
INTERFACES = {(action, "*") for action in NETWORK}


def test_the_api_reaches_its_redis_user_its_files_and_its_logs_and_nothing_else(
    made: Stack, case: str
) -> None:
    expected = log_writing("api") | TRACES | SENT_AND_GOT | PARTS
    if case in WITH_REDIS:
        expected |= CONNECT
    if made.condition("InVpc"):
        expected |= INTERFACES
    assert allowed(made, "DefaultRole") == expected
    assert "ManagedPolicyArns" not in made["DefaultRole"]
    assert made["APIHandler"]["Role"] == "DefaultRole.Arn"


def test_the_functions_own_code_can_not_touch_network_interfaces(made: Stack) -> None:
    for name in {"DefaultRole", "MetricsRole"} & made.resources.keys():
        denied = [entry for entry in statements(made[name]) if entry["Effect"] == "Deny"]
        if made.condition("InVpc"):
            (statement,) = denied
            assert set(statement["Action"]) == NETWORK and statement["Resource"] == "*"
            # The key is there when a function asks, and missing when Lambda itself does.
            assert statement["Condition"] == {"Null": {"lambda:SourceFunctionArn": "false"}}
        else:
            assert not denied


def test_the_authorizer_reads_its_secret_and_writes_its_log_and_nothing_else(made: Stack, case: str) -> None:
    assert ("AuthorizerRole" in made) == ("Tokens" in made) == (case in WITH_TOKENS)
    if case not in WITH_TOKENS:
        return
    secret = ARN.format("secretsmanager", "secret:Tokens")
    expected = {("secretsmanager:GetSecretValue", secret), ("kms:Decrypt", "Key.Arn")}
    assert allowed(made, "AuthorizerRole") == log_writing("api") | TRACES | expected
    [decrypt] = [entry for entry in statements(made["AuthorizerRole"]) if entry["Action"] == "kms:Decrypt"]
    assert decrypt["Condition"]["StringEquals"] == {
        "kms:EncryptionContext:SecretARN": secret,
        "kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com",
    }
    assert "ManagedPolicyArns" not in made["AuthorizerRole"]


def test_nobody_else_may_read_the_tokens(made: Stack) -> None:
    for name in made.of("AWS::IAM::Role").keys() - {"AuthorizerRole"}:
        assert not [
            action for action, _ in allowed(made, name) if action.startswith(("secretsmanager", "kms"))
        ]


def test_each_role_does_its_own_work_only(made: Stack, case: str) -> None:
    if case not in WITH_REDIS:
        assert not {"MetricsRole", "WorkerRole", "WorkerExecutionRole"} & made.resources.keys()
        return
    assert allowed(made, "MetricsRole") == log_writing("metrics") | TRACES | INTERFACES | CONNECT
    task = ARN.format("ecs", "task/WorkerCluster/*")
    assert allowed(made, "WorkerRole") == CONNECT | SENT_AND_GOT | {
        ("ecs:GetTaskProtection", task),
        ("ecs:UpdateTaskProtection", task),
    }
    repository = ARN.format("ecr", "repository/desk-1-worker")
    assert allowed(made, "WorkerExecutionRole") == log_writing("worker") | {
        ("ecr:GetAuthorizationToken", "*"),
        ("ecr:BatchCheckLayerAvailability", repository),
        ("ecr:BatchGetImage", repository),
        ("ecr:GetDownloadUrlForLayer", repository),
    }


def test_the_network_writes_its_log_and_nothing_else(made: Stack, case: str) -> None:
    if not made.condition("MakeVpc"):
        assert "NetworkLogRole" not in made
        return
    finding = {
        (f"logs:{action}", ARN.format("logs", "log-group:/coatcheck/desk-1/network:*"))
        for action in ("DescribeLogGroups", "DescribeLogStreams")
    }
    assert allowed(made, "NetworkLogRole") == log_writing("network") | finding


def test_no_action_is_a_wildcard_and_each_wide_resource_is_known(made: Stack) -> None:
    for name in made.of("AWS::IAM::Role"):
        for action, resource in allowed(made, name):
            assert "*" not in action, name
            assert resource != "*" or action in WITHOUT_RESOURCES, (name, action)


def test_a_role_is_lent_to_one_service_of_this_account(made: Stack) -> None:
    lent = {}
    for name, role in made.of("AWS::IAM::Role").items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
        lent[name] = statement["Principal"]["Service"]
        if lent[name] == "lambda.amazonaws.com":
            continue  # Lambda sends nothing that a condition could compare
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}, name
        if lent[name] == "ecs-tasks.amazonaws.com":
            assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": ARN.format("ecs", "*")}
    assert (
        lent.items()
        <= {
            "DefaultRole": "lambda.amazonaws.com",
            "MetricsRole": "lambda.amazonaws.com",
            "AuthorizerRole": "lambda.amazonaws.com",
            "WorkerRole": "ecs-tasks.amazonaws.com",
            "WorkerExecutionRole": "ecs-tasks.amazonaws.com",
            "ApiGatewayLogRole": "apigateway.amazonaws.com",
            "NetworkLogRole": "vpc-flow-logs.amazonaws.com",
        }.items()
    )


def test_tasks_get_the_policies_that_one_names(case: str, stack: Callable[..., Stack]) -> None:
    if case in WITH_REDIS:
        arns = "arn:aws:iam::123456789012:policy/one,arn:aws:iam::123456789012:policy/two"
        assert stack(case, WorkerPolicyArns=arns)["WorkerRole"]["ManagedPolicyArns"] == arns.split(",")
        assert "ManagedPolicyArns" not in stack(case)["WorkerRole"]


def test_no_resource_has_a_name_that_needs_more_rights_to_deploy(made: Stack) -> None:
    assert not [name for name, role in made.of("AWS::IAM::Role").items() if "RoleName" in role]


def test_keys_rotate_and_serve_only_what_they_are_for(made: Stack) -> None:
    for name, key in made.of("AWS::KMS::Key").items():
        assert key["EnableKeyRotation"] is True
        account, *services = key["KeyPolicy"]["Statement"]
        assert account["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
        assert name == "Key" or not services
        for statement in services:
            assert "kms:*" not in statement["Action"]
            assert statement["Condition"]
    logs, alarms = made["Key"]["KeyPolicy"]["Statement"][1:]
    assert logs["Principal"] == {"Service": "logs.eu-central-1.amazonaws.com"}
    assert logs["Condition"]["ArnLike"] == {
        "kms:EncryptionContext:aws:logs:arn": ARN.format("logs", "log-group:/coatcheck/desk-1/*")
    }
    assert alarms["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}


def test_logs_are_encrypted_and_end(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, Name="desk-1", LogDays=30)
    groups = made.of("AWS::Logs::LogGroup")
    expected = {"api", "access"} | ({"metrics", "redis", "worker"} if case in WITH_REDIS else set())
    expected |= {"network"} if made.condition("MakeVpc") else set()
    assert {group["LogGroupName"] for group in groups.values()} == {
        f"/coatcheck/desk-1/{name}" for name in expected
    }
    for name, group in groups.items():
        assert (group["KmsKeyId"], group["RetentionInDays"]) == ("Key.Arn", "30")
        assert made.resources[name]["DeletionPolicy"] == "Delete"


def test_only_alarms_of_this_account_reach_the_topic_and_it_is_encrypted(made: Stack) -> None:
    assert made["AlarmTopic"]["KmsMasterKeyId"] == "Key"
    (statement,) = made["AlarmTopicPolicy"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert (statement["Action"], statement["Resource"]) == ("sns:Publish", "AlarmTopic")


def test_what_is_kept_when_the_stack_goes(made: Stack, case: str) -> None:
    kept = {
        name for name, found in made.resources.items() if found.get("DeletionPolicy", "Delete") != "Delete"
    }
    expected = {"FilesBucket", "FilesPolicy"} | ({"RedisGroup", "RedisKey"} if case in WITH_REDIS else set())
    assert kept == expected | ({"ApiGatewayLogRole"} & made.resources.keys())
