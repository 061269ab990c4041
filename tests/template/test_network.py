"""Who may talk to whom, and how containers reach what is outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.cloudformation import Stack
from tests.template.conftest import CASES, OWN_VPC, WITH_REDIS, WITH_WORKERS

REDIS = 6379


def ingress(made: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """All rules that let something in, with the group that they belong to."""
    for name, group in made.of("AWS::EC2::SecurityGroup").items():
        for rule in group.get("SecurityGroupIngress", []):
            yield name, rule
    for rule in made.of("AWS::EC2::SecurityGroupIngress").values():
        yield rule["GroupId"], rule


@pytest.mark.parametrize("case", WITH_REDIS)
def test_redis_is_open_to_functions_and_workers_and_to_nobody_else(
    case: str, stack: Callable[..., Stack]
) -> None:
    made = stack(case)
    assert made["RedisGroup"]["SecurityGroupIds"] == ["RedisSecurityGroup"]
    rules = [rule for group, rule in ingress(made) if group == "RedisSecurityGroup"]
    assert {rule["SourceSecurityGroupId"] for rule in rules} == {"ApiSecurityGroup", "WorkerSecurityGroup"}
    assert all(rule["FromPort"] == rule["ToPort"] == REDIS == made["RedisGroup"]["Port"] for rule in rules)


@pytest.mark.parametrize("case", WITH_REDIS)
def test_nothing_is_open_to_addresses_and_each_rule_is_described(
    case: str, stack: Callable[..., Stack]
) -> None:
    made = stack(case)
    for _, rule in ingress(made):
        assert rule["Description"] and not {"CidrIp", "CidrIpv6"} & rule.keys()
    for group in made.of("AWS::EC2::SecurityGroup").values():
        assert all(rule["Description"] for rule in group["SecurityGroupEgress"])


@pytest.mark.parametrize("case", WITH_REDIS)
def test_functions_reach_redis_and_files_and_nothing_else(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case)
    rules = made["ApiSecurityGroup"]["SecurityGroupEgress"]
    assert [rule["DestinationSecurityGroupId"] for rule in rules] == ["RedisSecurityGroup"]
    assert rules[0]["FromPort"] == rules[0]["ToPort"] == REDIS
    assert made.of("AWS::EC2::SecurityGroupEgress").keys() == {"ApiToFiles"}
    assert (made["ApiToFiles"]["GroupId"], made["ApiToFiles"]["ToPort"]) == ("ApiSecurityGroup", 443)
    assert not stack(case, Files="off").of("AWS::EC2::SecurityGroupEgress")


@pytest.mark.parametrize("case", WITH_REDIS)
def test_redis_and_the_endpoints_call_nobody(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case)
    for name in {"RedisSecurityGroup", "EndpointSecurityGroup"} & made.resources.keys():
        assert [rule["CidrIp"] for rule in made[name]["SecurityGroupEgress"]] == ["127.0.0.1/32"]


@pytest.mark.parametrize("case", WITH_WORKERS)
def test_containers_have_no_public_address(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case)
    assert (
        made["WorkerService"]["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"
    )
    assert not any(subnet["MapPublicIpOnLaunch"] for subnet in made.of("AWS::EC2::Subnet").values())


def test_what_the_network_refuses_is_logged(stack: Callable[..., Stack]) -> None:
    made = stack("aws", Name="desk-1")
    log = made["NetworkLog"]
    assert (log["ResourceType"], log["ResourceId"], log["TrafficType"]) == ("VPC", "Vpc", "REJECT")
    assert (log["LogDestinationType"], log["LogGroupName"]) == (
        "cloud-watch-logs",
        "/coatcheck/desk-1/network",
    )
    assert log["DeliverLogsPermissionArn"] == "NetworkLogRole.Arn"
    assert "NetworkLog" not in stack("aws", **OWN_VPC)


def test_with_endpoints_there_is_no_way_to_the_internet(stack: Callable[..., Stack]) -> None:
    made = stack("aws", Egress="endpoints")
    assert not made.types & {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"}
    endpoints = made.of("AWS::EC2::VPCEndpoint")
    services = {entry["ServiceName"].split(".", 3)[3]: entry for entry in endpoints.values()}
    assert services.keys() == {"ecr.api", "ecr.dkr", "logs", "s3"}
    assert services.pop("s3")["RouteTableIds"] == ["PrivateRoutesA", "PrivateRoutesB"]
    for entry in services.values():
        assert entry["VpcEndpointType"] == "Interface" and entry["PrivateDnsEnabled"] is True
        assert entry["SecurityGroupIds"] == ["EndpointSecurityGroup"]
        assert entry["SubnetIds"] == ["PrivateSubnetA", "PrivateSubnetB"]
    rules = [rule for group, rule in ingress(made) if group == "EndpointSecurityGroup"]
    assert [(rule["SourceSecurityGroupId"], rule["FromPort"]) for rule in rules] == [
        ("WorkerSecurityGroup", 443)
    ]


@pytest.mark.parametrize(("gateways", "second"), [(1, "NatA"), (2, "NatB")])
def test_with_nat_each_private_subnet_has_a_way_out(
    stack: Callable[..., Stack], gateways: int, second: str
) -> None:
    made = stack("aws", Egress="nat", NatGateways=gateways)
    nats = made.of("AWS::EC2::NatGateway")
    assert len(nats) == gateways == len(made.of("AWS::EC2::EIP"))
    assert {nat["SubnetId"] for nat in nats.values()} <= {"PublicSubnetA", "PublicSubnetB"}
    assert made["PrivateRouteA"]["NatGatewayId"] == "NatA"
    assert made["PrivateRouteB"]["NatGatewayId"] == second
    tables = {
        entry["SubnetId"]: entry["RouteTableId"]
        for entry in made.of("AWS::EC2::SubnetRouteTableAssociation").values()
    }
    assert tables["PrivateSubnetA"] == made["PrivateRouteA"]["RouteTableId"]
    assert tables["PrivateSubnetB"] == made["PrivateRouteB"]["RouteTableId"]
    assert all(tables[nat["SubnetId"]] == made["PublicRoute"]["RouteTableId"] for nat in nats.values())
    interfaces = [
        entry
        for entry in made.of("AWS::EC2::VPCEndpoint").values()
        if "Interface" in entry["VpcEndpointType"]
    ]
    assert not interfaces


def test_in_a_vpc_of_ones_own_only_groups_and_their_rules_are_made(stack: Callable[..., Stack]) -> None:
    made = stack("own-vpc")
    kinds = {kind for kind in made.types if kind.startswith("AWS::EC2::")}
    assert kinds == {
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
    }
    for group in made.of("AWS::EC2::SecurityGroup").values():
        assert group["VpcId"] == OWN_VPC["VpcId"]


@pytest.mark.parametrize(
    ("case", "subnets", "functions", "workers"),
    [
        ("aws", ["PrivateSubnetA", "PrivateSubnetB"], ["ApiSecurityGroup"], ["WorkerSecurityGroup"]),
        (
            "own-vpc",
            OWN_VPC["SubnetIds"].split(","),
            ["ApiSecurityGroup", "sg-0123456789abcdef0"],
            ["WorkerSecurityGroup", "sg-0123456789abcdef0"],
        ),
    ],
)
def test_functions_and_workers_stand_where_redis_is(
    case: str, subnets: list[str], functions: list[str], workers: list[str], stack: Callable[..., Stack]
) -> None:
    made = stack(case)
    assert made["RedisSubnets"]["SubnetIds"] == subnets
    for name in ("APIHandler", "PublishMetrics"):
        assert made[name]["VpcConfig"] == {"SubnetIds": subnets, "SecurityGroupIds": functions}
    network = made["WorkerService"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (network["Subnets"], network["SecurityGroups"]) == (subnets, workers)


def test_a_function_reaches_ones_own_redis_from_ones_own_subnets(stack: Callable[..., Stack]) -> None:
    assert stack("own-redis")["APIHandler"]["VpcConfig"] == {
        "SubnetIds": OWN_VPC["SubnetIds"].split(","),
        "SecurityGroupIds": ["sg-0123456789abcdef0"],
    }
    assert "VpcConfig" not in stack("localstack")["APIHandler"]
    assert "VpcConfig" not in stack("iam")["APIHandler"]
    assert "VpcConfig" not in stack("own-redis", SubnetIds="", SecurityGroupIds="")["APIHandler"]


def test_all_cases_are_looked_at() -> None:
    assert set(WITH_REDIS) | {"localstack", "iam", "own-redis"} == set(CASES)
