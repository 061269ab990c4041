"""The containers: what they may do on their machine, how they stop, where they run, how many there are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from coatcheck.settings import load
from infra.template import Template
from tests.support.cloudformation import Stack
from tests.support.processes import ROOT
from tests.template.conftest import DIGEST, WITH_REDIS, WITH_WORKERS
from worker_image.pool import KILL_AFTER

FARGATE: dict[int, set[int]] = {
    256: {512, 1024, 2048},
    512: set(range(1024, 4096 + 1, 1024)),
    1024: set(range(2048, 8192 + 1, 1024)),
    2048: set(range(4096, 16384 + 1, 1024)),
    4096: set(range(8192, 30720 + 1, 1024)),
    8192: set(range(16384, 61440 + 1, 4096)),
    16384: set(range(32768, 122880 + 1, 8192)),
}
"""CPU units and the MiB of memory that Fargate offers with them."""


@pytest.fixture(params=WITH_WORKERS)
def made(request: pytest.FixtureRequest, stack: Callable[..., Stack]) -> Stack:
    return stack(request.param)


@pytest.fixture
def container(made: Stack) -> dict[str, Any]:
    (found,) = made["WorkerTask"]["ContainerDefinitions"]
    assert isinstance(found, dict)
    return found


def test_a_container_can_do_little_on_its_machine(made: Stack, container: dict[str, Any]) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", container["User"])
    assert container["ReadonlyRootFilesystem"] is True
    assert container["MountPoints"] == [{"SourceVolume": "tmp", "ContainerPath": "/tmp", "ReadOnly": False}]
    assert made["WorkerTask"]["Volumes"] == [{"Name": "tmp"}]
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert container["LinuxParameters"]["InitProcessEnabled"] is True
    assert not {"Privileged", "PortMappings"} & container.keys()


def test_user_and_command_are_those_of_the_image(container: dict[str, Any]) -> None:
    dockerfile = (ROOT / "worker_image" / "Dockerfile").read_text()
    assert f"\nUSER {container['User']}\n" in dockerfile
    assert f"\nENTRYPOINT {json.dumps(container['EntryPoint'])}\n" in dockerfile
    assert f" CMD {json.dumps(container['HealthCheck']['Command'][1:])}\n" in dockerfile


def test_tmp_is_the_users_on_fargate_too() -> None:
    # A volume there is root's, unless the image declares it: then its mode is that of the image's folder.
    assert re.search(r'^VOLUME \["/tmp"\]$', (ROOT / "worker_image" / "Dockerfile").read_text(), re.MULTILINE)


def test_a_running_job_gets_all_the_time_that_fargate_gives(container: dict[str, Any]) -> None:
    assert container["StopTimeout"] == 120
    assert container["EntryPoint"] == ["python", "-m", "worker_image"]  # exec form: signals reach the pool
    environment = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    assert 90 <= int(environment["WORKER_STOP_TIMEOUT"]) < 120 - KILL_AFTER


def test_the_number_of_processes_in_a_container_can_be_set(stack: Callable[..., Stack]) -> None:
    for given, told in ({}, "0"), ({"WorkerProcesses": 8}, "8"):
        (container,) = stack("aws", **given)["WorkerTask"]["ContainerDefinitions"]
        assert {"Name": "WORKER_PROCESSES", "Value": told} in container["Environment"]


def test_traces_and_figures_are_sent_where_the_parameters_say(stack: Callable[..., Stack]) -> None:
    def environments(**parameters: str) -> list[dict[str, str]]:
        made = stack("aws", **parameters)
        [container] = made["WorkerTask"]["ContainerDefinitions"]
        worker = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
        return [made["APIHandler"]["Environment"]["Variables"], worker]

    for environment in environments():
        assert environment["OTEL_TRACES_EXPORTER"] == "none"
        assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in environment
        assert environment["LOG_FORMAT"] == "json"
        set_there = {
            "AWS_REGION": "eu-west-1",
            "REDIS_URL": "redis://localhost",
        }
        load({**environment, **set_there, "REDIS_IAM_USER": "", "REDIS_IAM_CACHE": ""})
    for environment in environments(TracesEndpoint="http://collector.internal:4318"):
        assert environment["OTEL_TRACES_EXPORTER"] == "otlp"
        assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.internal:4318"
    assert environments()[1]["WORKER_METRICS"] == "off"
    worker = environments(WorkerMetrics="emf", Name="live")[1]
    assert (worker["WORKER_METRICS"], worker["COATCHECK_STACK"]) == ("emf", "live")


def test_health_is_a_fresh_heartbeat_and_the_check_has_no_shell(container: dict[str, Any]) -> None:
    assert container["HealthCheck"]["Command"] == ["CMD", "python", "-m", "worker_image.health"]


def test_logging_is_explicit_and_never_blocks_the_work(container: dict[str, Any]) -> None:
    log = container["LogConfiguration"]
    assert log["LogDriver"] == "awslogs"
    assert log["Options"]["mode"] == "non-blocking" and log["Options"]["max-buffer-size"]
    assert log["Options"]["awslogs-group"] == "/coatcheck/coatcheck/worker"


def test_the_image_is_pinned_by_its_digest(container: dict[str, Any]) -> None:
    assert container["Image"] == f"WorkerRepository.RepositoryUri@{DIGEST}"


def test_each_size_is_one_that_fargate_offers(merged: Template, stack: Callable[..., Stack]) -> None:
    sizes = merged["Parameters"]["WorkerSize"]["AllowedValues"]
    assert sizes == list(merged["Mappings"]["WorkerSizes"])
    for size in sizes:
        task = stack("aws", WorkerSize=size)["WorkerTask"]
        cpu, memory = int(task["Cpu"]), int(task["Memory"])
        assert memory in FARGATE[cpu]
        assert size == f"{cpu / 1024:g}vcpu-{memory / 1024:g}gb"


@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_containers_run_on_either_processor(architecture: str, stack: Callable[..., Stack]) -> None:
    platform = stack("aws", WorkerArchitecture=architecture)["WorkerTask"]["RuntimePlatform"]
    assert platform == {"OperatingSystemFamily": "LINUX", "CpuArchitecture": architecture}


def test_a_deployment_that_fails_rolls_back_and_costs_no_worker(made: Stack) -> None:
    deployment = made["WorkerService"]["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["MinimumHealthyPercent"] == 100
    assert deployment["MaximumPercent"] > 100
    assert "DesiredCount" not in made["WorkerService"]  # it would undo what the scaling has set


@pytest.mark.parametrize("percent", [0, 25, 50, 75, 100])
def test_the_first_container_is_never_spot(percent: int, stack: Callable[..., Stack]) -> None:
    made = stack("aws", WorkerSpotPercent=percent)
    strategy = made["WorkerService"]["CapacityProviderStrategy"]
    shares = {entry["CapacityProvider"]: int(entry["Weight"]) for entry in strategy}
    assert set(shares) <= set(made["WorkerCluster"]["CapacityProviders"])
    assert shares["FARGATE_SPOT"] / sum(shares.values()) == percent / 100
    assert [entry["CapacityProvider"] for entry in strategy if entry.get("Base")] == ["FARGATE"]


@pytest.mark.parametrize("case", WITH_REDIS)
def test_images_are_immutable_scanned_encrypted_and_do_not_pile_up(
    case: str, stack: Callable[..., Stack]
) -> None:
    repository = stack(case)["WorkerRepository"]
    assert repository["ImageTagMutability"] == "IMMUTABLE"
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
    assert repository["EncryptionConfiguration"] == {"EncryptionType": "KMS", "KmsKey": "Key.Arn"}
    assert '"expire"' in repository["LifecyclePolicy"]["LifecyclePolicyText"]
    assert repository["EmptyOnDelete"] is True
