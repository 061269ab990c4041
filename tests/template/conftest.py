"""The whole template: Chalice's, made from the real app, with template.yaml merged into it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache

import pytest

from infra.package import chalice
from infra.template import Template, assemble, load_extra
from tests.support.cloudformation import REGION, Stack, expand
from tests.support.processes import ROOT

DIGEST = "sha256:" + "0" * 64
OWN_VPC = {
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetIds": "subnet-0123456789abcdef0,subnet-0123456789abcdef1",
    "Egress": "existing",
}
CASES: dict[str, dict[str, str | int]] = {
    "first": {},  # the very first deployment: there is no image yet
    "aws": {"WorkerImageDigest": DIGEST},
    "from-zero": {"WorkerImageDigest": DIGEST, "WorkerMin": 0, "WorkerSpotPercent": 75},
    "nat": {"WorkerImageDigest": DIGEST, "Egress": "nat", "NatGateways": 2, "RedisNodes": 3},
    "sync": {
        "WorkerImageDigest": DIGEST,
        "RedisDurability": "sync",
        "RedisVersion": "9.0",
        "RedisNodeType": "cache.m7g.large",
    },
    "own-vpc": {"WorkerImageDigest": DIGEST, "SecurityGroupIds": "sg-0123456789abcdef0", **OWN_VPC},
    "localstack": {"RedisUrl": "redis://redis:6379/0", "ApiLogRole": "existing", "AuthMode": "none"},
    "iam": {"RedisUrl": "redis://redis:6379/0", "AuthMode": "iam"},
    "own-redis": {
        "RedisUrl": "rediss://cache.example:6380",
        "SubnetIds": OWN_VPC["SubnetIds"],
        "SecurityGroupIds": "sg-0123456789abcdef0",
        "AlarmEmail": "somebody@example.com",
    },
}
"""Ways to deploy, by name: the parameters of each."""
WITH_REDIS = ["first", "aws", "from-zero", "nat", "sync", "own-vpc"]
WITH_TOKENS = [name for name, parameters in CASES.items() if "AuthMode" not in parameters]
WITH_WORKERS = WITH_REDIS[1:]


@pytest.fixture(scope="session")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """What is given to CloudFormation, made from the real app; its requirements are of no account here."""
    folder = tmp_path_factory.mktemp("chalice")
    ignore = shutil.ignore_patterns("__pycache__", "requirements.*", "deployments")
    shutil.copytree(ROOT / "functions", folder / "stage", ignore=ignore)
    shutil.copytree(ROOT / "coatcheck", folder / "stage" / "vendor" / "coatcheck", ignore=ignore)
    return assemble(chalice.package(folder / "stage", folder / "out").template, load_extra())


@pytest.fixture(scope="session")
def expanded(merged: Template) -> Template:
    """The same after SAM's transform."""
    return expand(merged)


@pytest.fixture(scope="session")
def stack(expanded: Template) -> Callable[..., Stack]:
    """Makes stacks: ``stack("aws", WorkerMin=0)``, by a case's name and further parameters."""

    @cache
    def make(case: str, **parameters: str | int) -> Stack:
        return Stack(expanded, CASES[case] | parameters)

    return make


@pytest.fixture(scope="session")
def takes_tags() -> Callable[[str], str | None]:
    """Tells by which property a type of resource takes a list of tags, None if by none: from AWS' schemas."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

    def find(kind: str) -> str | None:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
        key = schema.get("tagging", {}).get("tagProperty", "/properties/Tags").rpartition("/")[2]
        return key if key in schema["properties"] else None

    return find
