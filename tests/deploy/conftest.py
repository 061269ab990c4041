"""AWS as moto plays it in this process: an account of its own for each test, with no delays."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.deploy.build import Build
from infra.deploy.console import Console
from infra.deploy.deployment import Deployment
from infra.deploy.stack import Stack
from infra.deploy.target import Target
from tests.deploy.project import SMALL, copy

REGION = "eu-west-1"
ACCOUNT = "123456789012"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """A session of an empty account."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        session = boto3.Session("AKIDEXAMPLE", "secret", region_name=REGION)
        session.events.register("before-parameter-build.s3.PutBucketPolicy", without_conditions)
        yield session


def without_conditions(params: dict[str, Any], **_: Any) -> None:
    """moto takes no notice of a policy's conditions and denies everything: keep the rest of the policy only."""
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


class Terminal(io.StringIO):
    """A terminal at which somebody answers what the text says."""

    def isatty(self) -> bool:
        return True


class Recorder(Console):
    """A console that keeps what is said."""

    def __init__(self, answers: str | None = None, *, yes: bool = False) -> None:
        stream = io.StringIO() if answers is None else Terminal(answers)
        super().__init__(yes=yes, input=stream, output=io.StringIO(), errors=io.StringIO())

    @property
    def told(self) -> str:
        assert isinstance(self.errors, io.StringIO)
        return self.errors.getvalue()


@pytest.fixture
def deployment(stack: Stack) -> Callable[..., Deployment]:
    """Makes deployments of the small template: ``deployment(change, given={...}, console=...)``.

    ``change`` is called with the template and may change it.
    """

    def deployment(
        change: Callable[[dict[str, Any]], object] = lambda template: None, **options: Any
    ) -> Deployment:
        template = copy(SMALL)
        change(template)
        built = Build(options.pop("archive", b"the function package"), template)
        options = {"console": Recorder(yes=True), "given": {}, "build": lambda: built} | options
        return Deployment(stack, declared=template["Parameters"], **options)

    return deployment
