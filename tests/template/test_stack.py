"""What the stack consists of, for each way to deploy it, and which parameters it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck.settings import SETTINGS
from infra.template import Template
from tests.support.cloudformation import Stack
from tests.template.conftest import CASES, DIGEST, OWN_VPC, WITH_REDIS, WITH_WORKERS

IN_LOCALSTACK = {
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
}
"""Of the types that LocalStack 4.14.0 makes, those that we use."""
UNTAGGED_BY_SAM = {"PublishMetricsPublishMetricsEvent"}
"""SAM gives the rule of a schedule no tags."""


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_is_made_refers_to_what_is_not(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case)  # raises for such a reference
    assert made.resources.keys() >= {"APIHandler", "RestAPI", "DefaultRole", "Key", "AlarmTopic"}
    assert made.outputs["EndpointURL"].startswith("https://")


def test_with_a_redis_of_ones_own_only_what_localstack_knows_is_made(stack: Callable[..., Stack]) -> None:
    assert stack("localstack").types == IN_LOCALSTACK


@pytest.mark.parametrize("case", ["localstack", "own-redis"])
def test_with_a_redis_of_ones_own_there_is_no_network_no_cache_no_container(
    case: str, stack: Callable[..., Stack]
) -> None:
    services = {kind.split("::")[1] for kind in stack(case).types}
    assert not services & {"EC2", "ElastiCache", "ECS", "ECR", "ApplicationAutoScaling", "Events"}
    variables = stack(case)["APIHandler"]["Environment"]["Variables"]
    assert variables["REDIS_URL"] == CASES[case]["RedisUrl"]
    assert (
        not {"REDIS_CLUSTER", "REDIS_WAIT_REPLICAS", "REDIS_IAM_USER", "REDIS_IAM_CACHE"} & variables.keys()
    )


def test_the_first_deployment_makes_the_repository_but_no_workers(stack: Callable[..., Stack]) -> None:
    made = stack("first")
    assert "WorkerRepository" in made and "RedisGroup" in made
    assert not {"WorkerTask", "WorkerService", "WorkerScaling", "WorkersMissingAlarm"} & made.resources.keys()


@pytest.mark.parametrize("case", WITH_WORKERS)
def test_further_deployments_only_add_to_the_first(case: str, stack: Callable[..., Stack]) -> None:
    first = stack("first", **{name: value for name, value in CASES[case].items() if "Image" not in name})
    added = stack(case).resources.keys() - first.resources.keys()
    assert added >= {"WorkerTask", "WorkerService", "WorkerScaling"}
    assert not first.resources.keys() - stack(case).resources.keys()


def test_each_parameter_is_explained_and_limited(merged: Template) -> None:
    for name, parameter in merged["Parameters"].items():
        assert parameter["Description"].endswith("."), name
        limits = {"AllowedPattern", "AllowedValues", "MinValue"} & parameter.keys()
        assert limits or parameter["Type"] == "CommaDelimitedList", name
        assert "ConstraintDescription" in parameter or "AllowedPattern" not in parameter, name


def test_each_parameter_is_used_and_shown_in_a_group(merged: Template) -> None:
    text = str({key: value for key, value in merged.items() if key not in ("Parameters", "Metadata")})
    groups = merged["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    shown = [name for group in groups for name in group["Parameters"]]
    assert sorted(shown) == sorted(merged["Parameters"])
    assert [name for name in shown if f"'{name}'" not in text and f"${{{name}}}" not in text] == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"Name": "Desk"},
        {"Name": "desk-"},
        {"Name": "a--b"},
        {"Name": "a" * 31},
        {"Namespace": "a b"},
        {"Queues": "default,"},
        {"WorkerImageDigest": "latest"},
        {"WorkerImageDigest": DIGEST + "0"},
        {"WorkerSize": "1vcpu-1gb"},
        {"WorkerSpotPercent": 33},
        {"RedisUrl": "redis://:secret@redis:6379"},
        {"RedisUrl": "redis://user:secret@redis:6379"},
        {"RedisNodes": 1},
        {"RedisSnapshotDays": 0},
        {"NetworkPrefix": "8.8"},
        {"VpcId": "vpc-1"},
        {"AlarmEmail": "nobody"},
        {"LogDays": 2},
        {"ApiConcurrency": -1},
        {**OWN_VPC, "Egress": "nat"},
        {**OWN_VPC, "SubnetIds": ""},
        {"Egress": "existing"},
        {"RedisDurability": "sync", "RedisNodeType": "cache.m7g.large"},
        {"RedisDurability": "sync", "RedisVersion": "9.0"},
    ],
)
def test_parameters_that_can_not_work_are_refused(
    parameters: dict[str, Any], stack: Callable[..., Stack]
) -> None:
    with pytest.raises(ValueError):
        stack("first", **parameters)


@pytest.mark.parametrize("prefix", ["10.0", "10.9", "10.80", "10.255", "172.16", "172.31", "192.168"])
def test_any_private_network_may_be_taken(prefix: str, stack: Callable[..., Stack]) -> None:
    assert stack("first", NetworkPrefix=prefix)["Vpc"]["CidrBlock"] == f"{prefix}.0.0/16"


@pytest.mark.parametrize("case", CASES)
def test_whatever_takes_tags_has_the_installations_name(
    case: str, stack: Callable[..., Stack], takes_tags: Callable[[str], str | None]
) -> None:
    made = stack(case, Name="desk-1")
    for name, resource in made.resources.items():
        key = takes_tags(resource["Type"])
        if key and name not in UNTAGGED_BY_SAM:
            assert {"Key": "coatcheck", "Value": "desk-1"} in made[name].get(key, []), name


@pytest.mark.parametrize("case", CASES)
def test_the_environment_consists_of_settings_that_exist(case: str, stack: Callable[..., Stack]) -> None:
    known = {setting.variable for setting in SETTINGS}
    for name, function in stack(case).of("AWS::Lambda::Function").items():
        assert set(function["Environment"]["Variables"]) <= known, name
    for task in stack(case).of("AWS::ECS::TaskDefinition").values():
        assert {entry["Name"] for entry in task["ContainerDefinitions"][0]["Environment"]} <= known


@pytest.mark.parametrize("case", WITH_REDIS)
def test_functions_and_workers_agree_on_the_redis_and_the_queues(
    case: str, stack: Callable[..., Stack]
) -> None:
    made = stack(case, Namespace="desk", Queues="fast,slow", Name="desk-1")
    endpoint = "ConfigurationEndPoint" if case == "sync" else "PrimaryEndPoint"
    assert made.outputs["RedisEndpoint"] == f"RedisGroup.{endpoint}.Address"
    expected = {
        "COATCHECK_NAMESPACE": "desk",
        "COATCHECK_QUEUES": "fast,slow",
        "REDIS_URL": f"rediss://RedisGroup.{endpoint}.Address:6379/0",
        "REDIS_CLUSTER": "1" if case == "sync" else "0",
        "REDIS_IAM_USER": "desk-1",
        "REDIS_IAM_CACHE": "desk-1",
    }
    environments = [made[name]["Environment"]["Variables"] for name in ("APIHandler", "PublishMetrics")]
    for task in made.of("AWS::ECS::TaskDefinition").values():
        entries = task["ContainerDefinitions"][0]["Environment"]
        environments.append({entry["Name"]: entry["Value"] for entry in entries})
    for environment in environments:
        assert expected.items() <= environment.items()
