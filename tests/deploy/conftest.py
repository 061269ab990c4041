"""AWS as moto plays it in this process: an empty account for each test, and no delays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from infra.deploy.build import Build
from infra.deploy.deployment import Deployment
from infra.deploy.image import Docker
from infra.deploy.stack import Stack
from infra.deploy.target import Target
from tests.deploy.console import Recorder
from tests.deploy.docker import FakeDocker
from tests.deploy.project import small

LOADER = botocore.loaders.create_loader()
"""One for all sessions: it keeps the services' descriptions, which take longest."""
REGION = "eu-west-1"
ACCOUNT = "123456789012"


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of AWS in the environment, as on a machine that never heard of it."""
    for name in (
        "ACCESS_KEY_ID",
        "SECRET_ACCESS_KEY",
        "SESSION_TOKEN",
        "PROFILE",
        "REGION",
        "DEFAULT_REGION",
    ):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws(environ: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """A session of an empty account, and its keys in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with mock_aws():
        core = botocore.session.get_session()
        core.register_component("data_loader", LOADER)
        session = boto3.Session(region_name=REGION, botocore_session=core)
        session.events.register("before-parameter-build.s3.PutBucketPolicy", without_conditions)
        yield session


def without_conditions(params: dict[str, Any], **_: Any) -> None:
    """Give moto a policy without what has conditions: it denies that always."""
    policy = json.loads(params["Policy"])
    policy["Statement"] = [entry for entry in policy["Statement"] if "Condition" not in entry]
    params["Policy"] = json.dumps(policy)


@pytest.fixture
def target(aws: boto3.Session) -> Target:
    """The account as a target."""
    return Target("aws", REGION, ACCOUNT, aws, delay=0.0)


@pytest.fixture
def stack(target: Target) -> Stack:
    """A stack that isn't there yet."""
    return Stack(target, "desk")


@pytest.fixture
def stub() -> Callable[..., Stubber]:
    """Makes a target's client of a service answer what it is told: ``stub(target, "cloudformation")``."""

    def stub(target: Target, service: str) -> Stubber:
        stubber = Stubber(target.client(service))
        stubber.activate()
        return stubber

    return stub


@pytest.fixture
def deployment(stack: Stack) -> Callable[..., Deployment]:
    """Makes deployments of the small template: ``deployment(change, given={...}, console=...)``.

    ``change`` is called with the template and may change it.
    """

    def deployment(
        change: Callable[[dict[str, Any]], object] = lambda template: None, **options: Any
    ) -> Deployment:
        template = small()
        change(template)
        built = Build(options.pop("archive", b"the function package"), template)
        defaults: dict[str, Any] = {
            "console": Recorder(yes=True),
            "given": {"RedisUrl": "redis://own"},
            "build": lambda: built,
            "docker": Docker(FakeDocker(stack.target)),
        }
        return Deployment(stack, declared=template["Parameters"], **(defaults | options))

    return deployment
