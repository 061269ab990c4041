"""The real template, expanded as AWS does it and without what moto lacks, through whole deployments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from infra.deploy import destroy
from infra.deploy.build import Build
from infra.deploy.deployment import Deployment
from infra.deploy.errors import RefusedError
from infra.deploy.image import Docker
from infra.deploy.stack import Stack
from infra.template import Template
from tests.deploy.console import Recorder
from tests.deploy.docker import FakeDocker
from tests.deploy.stripped import stripped
from tests.support import cloudformation
from tests.template.conftest import expanded, merged

__all__ = ["expanded", "merged"]

Deploy = Callable[..., Deployment]


@pytest.fixture
def docker(stack: Stack) -> FakeDocker:
    return FakeDocker(stack.target)


@pytest.fixture
def deploy(stack: Stack, expanded: Template, docker: FakeDocker) -> Deploy:
    """Deploys the project as on AWS: ``deploy(LogDays="7", console=...)``.

    The conditions hold as they do for the parameters that the stack has when the template is needed.
    """
    present: dict[str, str] = {}

    def deploy(allowed: tuple[str, ...] = (), **given: str) -> Deployment:
        present.update(given)
        deployment = Deployment(
            stack,
            Recorder(yes=True),
            expanded["Parameters"],
            given,
            allowed,
            build=build,
            docker=Docker(docker),
        )
        deployment.run()
        return deployment

    def build() -> Build:
        made = cloudformation.Stack(expanded, present)
        return Build(b"the function package", stripped(expanded, made.condition))

    return deploy


def names(stack: Stack, kind: str = "") -> set[str]:
    return {resource.name for resource in stack.resources() if resource.name and kind in resource.type}


def tags(entries: list[dict[str, Any]]) -> dict[str, str]:
    return {entry.get("Key") or entry["key"]: entry.get("Value") or entry["value"] for entry in entries}


def test_everything_on_aws(deploy: Deploy, stack: Stack, docker: FakeDocker) -> None:
    made = deploy()
    assert {"Vpc", "PrivateSubnetA", "RedisSecurityGroup", "WorkerRepository", "WorkerCluster"} <= names(
        stack
    )
    assert "push" in docker.steps
    assert stack.existing().parameters["WorkerImageDigest"].startswith("sha256:") or made.done


def test_with_a_redis_of_ones_own_there_is_only_the_api(
    deploy: Deploy, stack: Stack, docker: FakeDocker
) -> None:
    deploy(RedisUrl="rediss://cache.example:6380")
    assert names(stack, "LogGroup") == {"ApiLogGroup", "AccessLogGroup"}
    assert not names(stack, "EC2") | names(stack, "ECR") | names(stack, "ECS")
    assert docker.calls == []


def test_its_resources_carry_the_installations_name(deploy: Deploy, stack: Stack) -> None:
    deploy()
    client = stack.target.client
    groups = {group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]}
    assert {"/coatcheck/desk/api", "/coatcheck/desk/worker"} <= groups
    (repository,) = client("ecr").describe_repositories()["repositories"]
    assert repository["repositoryName"] == "desk-worker"
    assert repository["imageTagMutability"] == "IMMUTABLE"
    listed = client("ecr").list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"]
    assert tags(listed)["coatcheck"] == "desk"
    (vpc,) = client("ec2").describe_vpcs(Filters=[{"Name": "tag:coatcheck", "Values": ["desk"]}])["Vpcs"]
    assert vpc["CidrBlock"].startswith("10.80.")


def test_a_second_deployment_changes_nothing(deploy: Deploy, expanded: Template) -> None:
    defaults = {name: str(spec["Default"]) for name, spec in expanded["Parameters"].items()}
    assert deploy(**defaults | {"Name": "desk", "RedisUrl": "redis://own"}).done
    assert deploy().done == []


def test_a_parameter_changes_what_it_is_about(deploy: Deploy, stack: Stack) -> None:
    deploy(RedisUrl="redis://own", LogDays="7")
    groups = stack.target.client("logs").describe_log_groups()["logGroups"]
    assert {group["logGroupName"]: int(group["retentionInDays"]) for group in groups} == {
        "/coatcheck/desk/access": 7,
        "/coatcheck/desk/api": 7,
    }


def test_the_logs_and_the_images_are_not_given_up_by_mistake(deploy: Deploy, stack: Stack) -> None:
    deploy()
    with pytest.raises(RefusedError) as caught:
        deploy(RedisUrl="rediss://cache.example:6380")
    told = str(caught.value)
    for name in ("MetricsLogGroup", "RedisLogGroup", "WorkerLogGroup", "WorkerRepository"):
        assert f"it would delete {name} (" in told
        assert f"--allow-replace {name}" in told
    assert "WorkerRepository" in names(stack)


def test_destroy_leaves_nothing_behind(deploy: Deploy, stack: Stack) -> None:
    deploy(RedisUrl="redis://own")
    destroy.destroy(stack, stack.existing(), Recorder(yes=True))
    assert stack.target.client("logs").describe_log_groups()["logGroups"] == []
    assert stack.target.client("s3").list_buckets()["Buckets"] == []
