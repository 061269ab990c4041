"""Who passes API Gateway, for each value of AuthMode."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app import app
from coatcheck.scopes import Scope
from coatcheck.tokens import TokenBook
from infra import auth_mode
from infra.template import Template
from tests.support.cloudformation import Stack, expand
from tests.template.conftest import CASES

OPEN = {
    ("GET", "/"),
    ("GET", "/static/{name}"),
    ("GET", "/static/{version}/{name}"),
    ("GET", "/health"),
    *(("OPTIONS", path) for path in app.routes),
}
MODES = ("tokens", "iam", "none")
REQUIRED: dict[str, list[dict[str, list[str]]] | None] = {
    "tokens": [{"authorizer": []}],
    "iam": [{"sigv4": []}],
    "none": None,
}
EVERYWHERE = pytest.mark.parametrize("case", CASES)
IN_EACH_MODE = pytest.mark.parametrize("mode", MODES)


def operations(made: Stack) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, methods in made["RestAPI"]["Body"]["paths"].items():
        for method, operation in methods.items():
            yield (method.upper(), path), operation


@EVERYWHERE
@IN_EACH_MODE
def test_every_route_asks_who_calls_but_the_page_and_health(
    case: str, mode: str, stack: Callable[..., Stack]
) -> None:
    made = stack(case, AuthMode=mode)
    found = {place: operation.get("security") for place, operation in operations(made)}
    assert found.keys() == {(method, path) for path, methods in app.routes.items() for method in methods}
    assert {place: asked for place, asked in found.items() if asked != REQUIRED[mode]} == (
        {} if mode == "none" else dict.fromkeys(OPEN)
    )


@EVERYWHERE
@IN_EACH_MODE
def test_the_function_knows_how_it_is_called(case: str, mode: str, stack: Callable[..., Stack]) -> None:
    variables = stack(case, AuthMode=mode)["APIHandler"]["Environment"]["Variables"]
    assert variables["COATCHECK_AUTH"] == mode
    assert "COATCHECK_TOKENS" not in variables, "it leaves the tokens to the authorizer"


@EVERYWHERE
def test_with_tokens_a_function_outside_of_the_vpc_is_asked(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, AuthMode="tokens", Name="desk-1")
    definition = made["RestAPI"]["Body"]["securityDefinitions"]
    assert definition.keys() == {"authorizer"}
    asked = definition["authorizer"]["x-amazon-apigateway-authorizer"]
    assert (asked["type"], definition["authorizer"]["name"]) == ("token", "Authorization")
    assert "Authorizer.Arn" in asked["authorizerUri"]
    function = made["Authorizer"]
    assert "VpcConfig" not in function
    assert function["Environment"]["Variables"].keys() == {"COATCHECK_TOKENS"}
    permission = made["AuthorizerInvokePermission"]
    assert permission["SourceArn"].endswith(":RestAPI/authorizers/*")
    assert made["Tokens"]["KmsKeyId"] == "Key.Arn"
    assert "SecretString" not in made["Tokens"], "an update would put it back, and all tokens were gone"


@EVERYWHERE
def test_a_revoked_token_ends_within_a_minute(case: str, stack: Callable[..., Stack]) -> None:
    from coatcheck.token_store import SecretStore

    definition = stack(case, AuthMode="tokens")["RestAPI"]["Body"]["securityDefinitions"]["authorizer"]
    gateway = definition["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"]
    assert 0 < gateway + SecretStore.keep < 60


@EVERYWHERE
def test_the_gateway_itself_refuses_only_what_can_be_no_token(case: str, stack: Callable[..., Stack]) -> None:
    definition = stack(case, AuthMode="tokens")["RestAPI"]["Body"]["securityDefinitions"]["authorizer"]
    form = re.compile(definition["x-amazon-apigateway-authorizer"]["identityValidationExpression"])
    for _ in range(20):
        _, token = TokenBook().create("ann", now=0, scopes=[Scope.READ])
        assert form.fullmatch(f"Bearer {token}") and form.fullmatch(f"bearer  {token} ")
    for wrong in (
        "",
        token,
        "Bearer",
        f"Basic {token}",
        f"Bearer {token}x",
        f"Bearer {token[:-1]}",
        "Bearer ../..",
    ):
        assert not form.fullmatch(wrong)


@EVERYWHERE
def test_without_tokens_nothing_of_them_is_made(case: str, stack: Callable[..., Stack]) -> None:
    for mode in ("iam", "none"):
        made = stack(case, AuthMode=mode)
        of_tokens = {"Authorizer", "AuthorizerInvokePermission", "AuthorizerRole", "Tokens"}
        assert not of_tokens & made.resources.keys()
        assert "authorizer" not in made["RestAPI"]["Body"]["securityDefinitions"]


@EVERYWHERE
def test_iam_is_a_signature(case: str, stack: Callable[..., Stack]) -> None:
    definitions = stack(case, AuthMode="iam")["RestAPI"]["Body"]["securityDefinitions"]
    assert definitions == {"sigv4": auth_mode.SIGNATURE}


def deployment(template: Template) -> str:
    [name] = [
        str(name)
        for name, resource in expand(template)["Resources"].items()
        if resource["Type"] == "AWS::ApiGateway::Deployment"
    ]
    return name


def test_another_mode_is_another_deployment_of_the_api(merged: Template) -> None:
    before = copy.deepcopy(merged)
    names = {mode: deployment(auth_mode.mark(merged, mode)) for mode in MODES}
    assert len(set(names.values())) == len(MODES)
    assert deployment(auth_mode.mark(merged, "iam")) == names["iam"]
    assert merged == before


def test_a_template_without_an_api_needs_no_mark() -> None:
    assert auth_mode.mark({"Resources": {}}, "iam") == {"Resources": {}}
