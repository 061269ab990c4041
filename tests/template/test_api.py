"""The function and API Gateway in front of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from coatcheck.errors import (
    ForbiddenError,
    InternalError,
    NotFoundError,
    PayloadTooLargeError,
    UnauthorizedError,
)
from tests.support.cloudformation import Stack
from tests.template.conftest import CASES, WITH_REDIS, WITH_TOKENS

pytestmark = pytest.mark.parametrize("case", CASES)
CONTEXT = {
    "$context.error.messageString": '"Forbidden"',
    "$context.requestId": "6f1ed002-ab5c-4b2e-8ed4-000000000000",
}


@pytest.fixture
def made(case: str, stack: Callable[..., Stack]) -> Stack:
    return stack(case, Name="desk-1")


def test_functions_are_bounded_traced_and_their_environment_encrypted(made: Stack, case: str) -> None:
    functions = made.of("AWS::Lambda::Function")
    expected = {"APIHandler"} | ({"PublishMetrics"} if case in WITH_REDIS else set())
    assert functions.keys() == expected | ({"Authorizer"} if case in WITH_TOKENS else set())
    for function in functions.values():
        assert function["Timeout"] < 29
        assert function["KmsKeyArn"] == "Key.Arn"
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert int(function["ReservedConcurrentExecutions"]) > 0
        assert function["LoggingConfig"]["LogGroup"].startswith("/coatcheck/desk-1/")


def test_concurrency_need_not_be_reserved(case: str, stack: Callable[..., Stack]) -> None:
    for function in stack(case, ApiConcurrency=0).of("AWS::Lambda::Function").values():
        assert "ReservedConcurrentExecutions" not in function


def test_no_secret_stands_in_an_environment_or_an_output(made: Stack) -> None:
    told = [str(function["Environment"]) for function in made.of("AWS::Lambda::Function").values()]
    # Which secret it is and that there are tokens is none.
    told = [
        re.sub(r"'COATCHECK_(AUTH|TOKENS)': '(tokens|arn:aws:secretsmanager:[^']+)'", "", text)
        for text in told
    ]
    told += [str(task["ContainerDefinitions"]) for task in made.of("AWS::ECS::TaskDefinition").values()]
    for text in [*told, str(made.outputs)]:
        assert not [word for word in ("password", "secret", "token", "resolve:") if word in text.lower()]
        assert "@" not in text.replace("@sha256:", "")


def test_the_api_is_regional_throttled_traced_and_logged(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, ApiRate=7, ApiBurst=9)
    assert made["RestAPI"]["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert "SAM" not in str(list(made.resources)) and "RestAPIStage" not in made
    stage = made["RestAPIapiStage"]
    assert stage["TracingEnabled"] is True
    assert stage["AccessLogSetting"]["DestinationArn"].endswith(":log-group:/coatcheck/coatcheck/access:*")
    settings = stage["MethodSettings"][0]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == ("7", "9")
    assert settings["DataTraceEnabled"] is False and settings["LoggingLevel"] == "OFF"


def test_a_line_of_the_access_log_is_json_without_query_or_headers(made: Stack) -> None:
    line = made["RestAPIapiStage"]["AccessLogSetting"]["Format"]
    assert "\n" not in line
    assert json.loads(line)["request"] == "$context.requestId"
    assert not [word for word in ("header", "query", "authorizer") if word in line.lower()]


def test_the_stage_waits_for_the_role_that_it_logs_with(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, ApiLogRole="make")
    assert made["RestAPIapiStage"]["Variables"] == {"logs": "ApiGatewayAccount"}
    assert made["ApiGatewayAccount"]["CloudWatchRoleArn"] == "ApiGatewayLogRole.Arn"
    assert made.resources["ApiGatewayLogRole"]["DeletionPolicy"] == "Retain"
    made = stack(case, ApiLogRole="existing")
    assert "ApiGatewayAccount" not in made and "ApiGatewayLogRole" not in made


def test_only_this_api_may_call_the_function(made: Stack) -> None:
    permission = made["APIHandlerInvokePermission"]
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["SourceArn"] == "arn:aws:execute-api:eu-central-1:123456789012:RestAPI/*"
    for name, other in made.of("AWS::Lambda::Permission").items():
        assert other["SourceArn"] and other["Principal"] != "*", name


def answers(made: Stack) -> dict[str, tuple[str, dict[str, str], dict[str, Any]]]:
    """What API Gateway answers by itself: status, headers and body by the kind of error."""
    found = {}
    body = made["RestAPI"]["Body"]
    for kind, answer in body["x-amazon-apigateway-gateway-responses"].items():
        text = answer["responseTemplates"]["application/json"]
        for name, value in CONTEXT.items():
            text = text.replace(name, value)
        headers = {
            name.removeprefix("gatewayresponse.header."): value.strip("'")
            for name, value in answer["responseParameters"].items()
        }
        found[kind] = (answer.get("statusCode", ""), headers, json.loads(text))
    return found


def test_what_the_gateway_answers_by_itself_is_a_problem_document(made: Stack) -> None:
    found = answers(made)
    assert found.keys() >= {"DEFAULT_4XX", "DEFAULT_5XX", "MISSING_AUTHENTICATION_TOKEN", "THROTTLED"}
    for status, headers, body in found.values():
        assert headers["Content-Type"] == "application/problem+json"
        assert body["type"] and body["title"] and body["detail"]
        assert str(body.get("status", "")) == status


def test_a_page_that_may_use_the_api_may_read_what_the_gateway_answers(
    case: str, stack: Callable[..., Stack]
) -> None:
    allowed = answers(stack(case, CorsOrigins="https://example.com,https://example.org"))
    for kind, (_, headers, _) in allowed.items():
        assert headers["Access-Control-Allow-Origin"] == "*", kind
        told = headers.keys() & {"Retry-After", "WWW-Authenticate"}
        assert told <= set(headers["Access-Control-Expose-Headers"].split(", "))
    for kind, (_, headers, _) in answers(stack(case)).items():
        assert not [name for name in headers if name.startswith("Access-Control")], kind


def test_large_answers_are_compressed(made: Stack) -> None:
    assert made["RestAPI"]["MinimumCompressionSize"] == 1024


def test_the_gateways_problems_are_the_same_as_the_functions(made: Stack) -> None:
    found = answers(made)
    for kind, error in {
        "MISSING_AUTHENTICATION_TOKEN": UnauthorizedError if made.condition("AuthIam") else NotFoundError,
        "RESOURCE_NOT_FOUND": NotFoundError,
        "UNAUTHORIZED": UnauthorizedError,
        "INVALID_SIGNATURE": UnauthorizedError,
        "EXPIRED_TOKEN": UnauthorizedError,
        "ACCESS_DENIED": ForbiddenError,
        "REQUEST_TOO_LARGE": PayloadTooLargeError,
        "DEFAULT_5XX": InternalError,
    }.items():
        status, _, body = found[kind]
        assert (body["type"], body["title"]) == (error.type_uri(), error.title)
        assert status in ("", str(error.status))
        assert ("WWW-Authenticate" in found[kind][1]) == (error is UnauthorizedError)
    assert found["THROTTLED"][0] == "429" and found["THROTTLED"][1]["Retry-After"] == "1"


def test_the_templates_of_the_gateways_answers_keep_to_its_few_variables(made: Stack) -> None:
    for answer in made["RestAPI"]["Body"]["x-amazon-apigateway-gateway-responses"].values():
        words = answer["responseTemplates"]["application/json"].split("$")[1:]
        assert all(f"${word}".startswith(tuple(CONTEXT)) for word in words)
