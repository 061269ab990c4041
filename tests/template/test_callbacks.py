"""Callbacks on AWS: a secret that only workers read, and a way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck.callback_secret import parse
from infra.template import load_extra
from tests.support.cloudformation import Stack
from tests.template.conftest import CASES


def actions(role: dict[str, Any]) -> str:
    return str(role["Policies"])


def test_workers_alone_may_read_the_secret(stack: Callable[..., Stack]) -> None:
    made = stack("nat", Callbacks="on")
    readers = {
        name
        for name, role in made.of("AWS::IAM::Role").items()
        if "CallbackSecret" in str(role.get("Policies")) or "desk-CallbackSecret" in str(role)
    }
    assert readers == {"WorkerRole"}
    assert "secretsmanager:GetSecretValue" in actions(made["WorkerRole"])
    assert made["CallbackSecret"]["KmsKeyId"] == "Key.Arn"


def test_api_and_workers_know_where_it_is_and_not_what_it_is(stack: Callable[..., Stack]) -> None:
    made = stack("nat", Callbacks="on", CallbackHosts="example.com")
    api = made["APIHandler"]["Environment"]["Variables"]
    [container] = made["WorkerTask"]["ContainerDefinitions"]
    worker = {each["Name"]: each["Value"] for each in container["Environment"]}
    for variables in (api, worker):
        assert variables["COATCHECK_CALLBACK_HOSTS"] == "example.com"
        assert "CallbackSecret" in variables["COATCHECK_CALLBACK_SECRET"]
        assert "resolve" not in str(variables)
    assert "Secrets" not in container


def test_what_is_generated_is_a_secret(stack: Callable[..., Stack]) -> None:
    asked = stack("nat", Callbacks="on")["CallbackSecret"]["GenerateSecretString"]
    assert asked == {"PasswordLength": 64, "ExcludePunctuation": True}
    [master] = parse("aZ09" * 16)
    assert len(master) == 48


@pytest.mark.parametrize("case", CASES)
def test_off_by_default_there_is_nothing_of_them(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case)
    assert "CallbackSecret" not in made
    assert "COATCHECK_CALLBACK_SECRET" not in str(made["APIHandler"]["Environment"])


def test_they_need_a_way_out() -> None:
    rule = load_extra()["Rules"]["WayOutForCallbacks"]
    assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "Callbacks"}, "on"]}
    [assertion] = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [["nat", "existing"], {"Ref": "Egress"}]}


def test_origins_reach_the_function(stack: Callable[..., Stack]) -> None:
    made = stack("aws", CorsOrigins="https://app.example.com")
    assert (
        made["APIHandler"]["Environment"]["Variables"]["COATCHECK_CORS_ORIGINS"] == "https://app.example.com"
    )
