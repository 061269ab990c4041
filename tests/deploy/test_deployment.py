"""A deployment from nothing to an update, on moto: change sets, parameters, tags, what is asked and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.deploy.deployment import Deployment
from infra.deploy.errors import DeployError, RefusedError
from infra.deploy.stack import Stack
from tests.deploy.conftest import ACCOUNT, REGION, Recorder

Deploy = Callable[..., Deployment]
BUCKET = f"desk-artefacts-{ACCOUNT}-{REGION}"


def add_topic(template: dict[str, Any]) -> None:
    template["Resources"]["Topic"] = {"Type": "AWS::SNS::Topic"}


def test_a_first_deployment_makes_the_stack(deployment: Deploy, stack: Stack) -> None:
    made = deployment()
    state = made.run()
    assert state.status == "CREATE_COMPLETE"
    assert state.outputs["EndpointURL"] == "https://api.example/api/"
    assert {change.name for change in made.done} == {"ApiLogGroup", "WorkerLogGroup", "Role"}
    assert {change.verb for change in made.done} == {"add"}
    assert [resource.type for resource in stack.resources()].count("AWS::Logs::LogGroup") == 2
