"""ElastiCache: what keeps the jobs, and who gets in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infra.template import Template
from tests.support.cloudformation import Stack
from tests.template.conftest import WITH_REDIS


@pytest.fixture(params=WITH_REDIS)
def made(request: pytest.FixtureRequest, stack: Callable[..., Stack]) -> Stack:
    return stack(request.param, Name="desk-1", Namespace="desk")


def test_a_replica_in_another_zone_takes_over(made: Stack) -> None:
    group = made["RedisGroup"]
    assert group["MultiAZEnabled"] is group["AutomaticFailoverEnabled"] is True
    assert "NumCacheClusters" not in group or int(group["NumCacheClusters"]) >= 2
    assert "NumCacheClusters" in group or group["ReplicasPerNodeGroup"] >= 1
    assert len(set(made["RedisSubnets"]["SubnetIds"])) == 2


def test_new_subnets_lie_in_two_zones(made: Stack) -> None:
    zones = {name: subnet["AvailabilityZone"] for name, subnet in made.of("AWS::EC2::Subnet").items()}
    if "Vpc" in made:
        assert zones["PrivateSubnetA"] != zones["PrivateSubnetB"]
    else:
        assert not zones


def test_all_is_encrypted_on_the_way_and_at_rest(made: Stack) -> None:
    group = made["RedisGroup"]
    assert group["TransitEncryptionEnabled"] is group["AtRestEncryptionEnabled"] is True
    assert group["TransitEncryptionMode"] == "required"
    assert group["KmsKeyId"] == "RedisKey.Arn"


def test_ids_are_lower_case_and_the_users_id_is_its_name(made: Stack) -> None:
    user = made["RedisUser"]
    assert user["UserId"] == user["UserName"] == user["UserId"].lower()
    assert made["RedisGroup"]["ReplicationGroupId"] == made["RedisGroup"]["ReplicationGroupId"].lower()
    assert made["RedisUsers"]["UserGroupId"] == made["RedisUsers"]["UserGroupId"].lower()


def test_one_logs_in_with_iam_only_and_the_default_user_is_off(made: Stack) -> None:
    assert made["RedisUser"]["AuthenticationMode"] == {"Type": "iam"}
    assert not {"Passwords", "NoPasswordRequired"} & made["RedisUser"].keys()
    assert "AuthToken" not in made["RedisGroup"]
    assert made["RedisGroup"]["UserGroupIds"] == [made["RedisUsers"]["UserGroupId"]]
    # A user group of the engine valkey needs no user "default", and switches the one that there is off.
    assert (
        made["RedisUser"]["Engine"]
        == made["RedisUsers"]["Engine"]
        == made["RedisGroup"]["Engine"]
        == "valkey"
    )
    assert made["RedisUsers"]["UserIds"] == [made["RedisUser"]["UserId"]]


def test_the_user_is_held_to_the_namespace(made: Stack) -> None:
    assert made["RedisUser"]["AccessString"] == "on ~{desk}:* &{desk}:* +@all -@dangerous +info"


def test_no_job_is_ever_evicted(made: Stack) -> None:
    assert made["RedisGroup"]["CacheParameterGroupName"] == "RedisParameters"
    assert made["RedisParameters"]["Properties"]["maxmemory-policy"] == "noeviction"


def test_a_kept_result_takes_no_whole_node_of_a_stream(made: Stack) -> None:
    assert made["RedisParameters"]["Properties"]["stream-node-max-bytes"] == "256"


def test_a_job_with_more_than_a_few_arguments_takes_little_memory(made: Stack) -> None:
    assert made["RedisParameters"]["Properties"]["hash-max-listpack-value"] == "1024"


@pytest.mark.parametrize(
    ("node", "percent"), [("cache.t4g.micro", "50"), ("cache.t4g.small", "25"), ("cache.r7g.large", "25")]
)
def test_a_micro_node_keeps_half_of_its_memory_free(
    stack: Callable[..., Stack], node: str, percent: str
) -> None:
    made = stack("aws", RedisNodeType=node)
    assert made["RedisGroup"]["CacheNodeType"] == node
    assert made["RedisParameters"]["Properties"]["reserved-memory-percent"] == percent


def test_the_parameters_are_of_the_version_that_runs(stack: Callable[..., Stack], merged: Template) -> None:
    for version in merged["Parameters"]["RedisVersion"]["AllowedValues"]:
        made = stack("aws", RedisVersion=version)
        family = made["RedisParameters"]["CacheParameterGroupFamily"]
        assert family == "valkey" + made["RedisGroup"]["EngineVersion"].split(".")[0]


def test_snapshots_are_kept_and_the_last_one_outlives_the_stack_with_its_key(made: Stack) -> None:
    assert int(made["RedisGroup"]["SnapshotRetentionLimit"]) >= 1
    group, key = made.resources["RedisGroup"], made.resources["RedisKey"]
    assert group["DeletionPolicy"] == group["UpdateReplacePolicy"] == "Snapshot"
    assert key["DeletionPolicy"] == "RetainExceptOnCreate"
    assert key["UpdateReplacePolicy"] == "Retain"


def test_slow_commands_and_the_engine_are_logged_encrypted(made: Stack) -> None:
    logs = {entry["LogType"]: entry for entry in made["RedisGroup"]["LogDeliveryConfigurations"]}
    assert logs.keys() == {"slow-log", "engine-log"}
    for entry in logs.values():
        assert entry["DestinationDetails"]["CloudWatchLogsDetails"]["LogGroup"] == "/coatcheck/desk-1/redis"
    assert made["RedisLogGroup"]["KmsKeyId"] == "Key.Arn"


@pytest.mark.parametrize(("nodes", "replicas"), [(2, 1), (3, 2)])
def test_synchronous_writes_need_cluster_mode_with_all_keys_on_one_shard(
    stack: Callable[..., Stack], nodes: int, replicas: int
) -> None:
    made = stack("sync", RedisNodes=nodes)
    group = made["RedisGroup"]
    assert (group["Durability"], group["ClusterMode"], group["EngineVersion"]) == ("sync", "enabled", "9.0")
    assert (group["NumNodeGroups"], group["ReplicasPerNodeGroup"]) == (1, replicas)
    assert made["RedisParameters"]["Properties"]["cluster-enabled"] == "yes"
    variables = made["APIHandler"]["Environment"]["Variables"]
    assert (variables["REDIS_CLUSTER"], variables["REDIS_WAIT_REPLICAS"]) == ("1", "0")


def test_else_it_is_one_primary_with_replicas(stack: Callable[..., Stack]) -> None:
    made = stack("aws", RedisNodes=3)
    group = made["RedisGroup"]
    assert (group["NumCacheClusters"], group["ClusterMode"]) == ("3", "disabled")
    assert not {"Durability", "NumNodeGroups", "ReplicasPerNodeGroup"} & group.keys()
    assert made["RedisParameters"]["Properties"]["cluster-enabled"] == "no"
    assert made["APIHandler"]["Environment"]["Variables"]["REDIS_CLUSTER"] == "0"


@pytest.mark.parametrize(("parameters", "replicas"), [({}, "1"), ({"RedisWaitReplicas": 0}, "0")])
def test_a_job_is_on_a_replica_before_it_is_accepted_and_before_it_runs(
    parameters: dict[str, int], replicas: str, stack: Callable[..., Stack]
) -> None:
    made = stack("aws", **parameters)
    [container] = made["WorkerTask"]["ContainerDefinitions"]
    assert {"Name": "REDIS_WAIT_REPLICAS", "Value": replicas} in container["Environment"]
    assert made["APIHandler"]["Environment"]["Variables"]["REDIS_WAIT_REPLICAS"] == replicas


def test_a_new_stack_may_begin_with_a_snapshot(stack: Callable[..., Stack]) -> None:
    assert "SnapshotName" not in stack("aws")["RedisGroup"]
    assert (
        stack("aws", RedisSnapshot="automatic.old-2026")["RedisGroup"]["SnapshotName"] == "automatic.old-2026"
    )
