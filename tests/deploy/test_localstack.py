"""What LocalStack needs beyond CloudFormation, without LocalStack: tests/localstack has the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from infra.deploy import localstack
from infra.deploy.errors import DeployError
from infra.deploy.intrinsics import resolve
from infra.deploy.stack import Stack, State
from infra.deploy.target import Target
from infra.template import load_extra
from tests.deploy import answers

STATE = State(answers.STACK_ID, "UPDATE_COMPLETE", "", answers.START, {}, {})
CONDITIONS = {
    "Desk": {"Fn::Equals": [{"Ref": "Name"}, "desk"]},
    "Other": {"Fn::Not": [{"Condition": "Desk"}]},
    "Both": {"Fn::And": [{"Condition": "Desk"}, {"Condition": "Other"}]},
    "Either": {"Fn::Or": [{"Condition": "Desk"}, {"Condition": "Other"}]},
    "Strange": {"Fn::Contains": [["a"], "a"]},
}
VALUES = {"Name": "desk", "APIHandler": "desk-api", "APIHandler.Arn": "arn:f", "AWS::Region": "eu-west-1"}


@pytest.mark.parametrize(
    ("node", "resolved"),
    [
        ({"Ref": "Name"}, "desk"),
        ({"Fn::GetAtt": ["APIHandler", "Arn"]}, "arn:f"),
        ({"Fn::GetAtt": "APIHandler.Arn"}, "arn:f"),
        ({"Fn::Sub": "${AWS::Region}/${APIHandler.Arn}/${!Name}"}, "eu-west-1/arn:f/${Name}"),
        ({"Fn::Sub": ["${Name}-${Other}", {"Other": {"Ref": "APIHandler"}}]}, "desk-desk-api"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Name"}]]}, "a/desk"),
        ({"paths": [{"a": {"Ref": "Name"}}, 1, True]}, {"paths": [{"a": "desk"}, 1, True]}),
        ({"schema": {"$ref": "#/x"}}, {"schema": {"$ref": "#/x"}}),
    ],
)
def test_intrinsic_functions_become_what_they_stand_for(node: object, resolved: object) -> None:
    assert resolve(node, VALUES) == resolved


@pytest.mark.parametrize(
    ("name", "holds"), [("Desk", True), ("Other", False), ("Both", False), ("Either", True)]
)
def test_a_condition_decides(name: str, holds: bool) -> None:
    node = {"Fn::If": [name, {"Ref": "Name"}, {"Fn::GetAtt": ["Nobody", "Arn"]}]}
    if holds:
        assert resolve(node, VALUES, CONDITIONS) == "desk"
    other = {"Fn::If": [name, 1, {"Ref": "AWS::NoValue"}]}
    assert resolve({"a": other, "b": [other, 2]}, VALUES, CONDITIONS) == (
        {"a": 1, "b": [1, 2]} if holds else {"b": [2]}
    )


@pytest.mark.parametrize("name", ["Strange", "Nobody"])
def test_a_condition_that_is_not_understood_is_told(name: str) -> None:
    with pytest.raises(DeployError, match="LocalStack's API can't be repaired: the condition"):
        resolve({"Fn::If": [name, 1, 2]}, VALUES, CONDITIONS)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"Ref": "Nobody"}, "refers to Nobody"),
        ({"Fn::Sub": "${Nobody.Arn}"}, "refers to Nobody.Arn"),
        ({"a": [{"Fn::ImportValue": "x"}]}, "Fn::ImportValue in its definition"),
    ],
)
def test_what_is_not_understood_is_told(node: object, message: str) -> None:
    with pytest.raises(DeployError, match=f"LocalStack's API can't be repaired: .*{message}"):
        resolve(node, VALUES)


@pytest.fixture
def local(target: Target) -> Target:
    return replace(target, kind="localstack", endpoint="http://localhost:4566", _clients={})


def test_the_api_gets_its_routes_and_a_deployment(local: Target, stub: Callable[..., Stubber]) -> None:
    stack = Stack(local, "desk")
    stub(local, "cloudformation").add_response(
        "list_stack_resources",
        answers.resources(
            ("APIHandler", "AWS::Lambda::Function", "desk-api"),
            ("RestAPI", "AWS::ApiGateway::RestApi", "desk"),
        ),
    )
    function = {"FunctionArn": "arn:f"}
    stub(local, "lambda").add_response("get_function_configuration", function, {"FunctionName": "desk-api"})
    gateway = stub(local, "apigateway")
    body = {"info": {"title": "Desk"}, "uri": "eu-west-1:arn:f", "stack": "desk"}
    expected = {"restApiId": "desk", "mode": "overwrite", "failOnWarnings": False}
    gateway.add_response("put_rest_api", {}, {**expected, "body": json.dumps(body).encode()})
    gateway.add_response("create_deployment", {}, {"restApiId": "desk", "stageName": "api"})
    definition = {
        "info": {"title": {"Ref": "Title"}},
        "uri": {"Fn::Sub": "${AWS::Region}:${APIHandler.Arn}"},
        "stack": {"Ref": "AWS::StackName"},
    }
    properties = {"DefinitionBody": definition, "StageName": "api"}
    state = replace(STATE, parameters={"Title": "Desk"})
    localstack.repair(stack, state, {"Resources": {"RestAPI": {"Properties": properties}}})
    gateway.assert_no_pending_responses()


def whole(api: dict[str, Any]) -> dict[str, Any]:
    """As much of the template as is adapted. Takes the API's properties."""
    name = {"Fn::Sub": "${Name}-files-${AWS::AccountId}"}
    variables = {"COATCHECK_AUTH": {"Ref": "AuthMode"}, "COATCHECK_FILES": ["s3://", {"Bucket": name}]}
    function = {"Properties": {"Environment": {"Variables": variables}}}
    of_files = {
        "FilesBucket": {"DeletionPolicy": "Retain", "Properties": {"BucketName": name}},
        "FilesPolicy": {"DeletionPolicy": "Retain"},
    }
    of_tokens = {name: {"Condition": "AuthTokens"} for name in (*localstack.OF_AUTHORIZER, "Tokens")}
    return {"Resources": {"RestAPI": {"Properties": api}, "APIHandler": function, **of_files, **of_tokens}}


def test_the_template_keeps_the_id_of_the_api(local: Target) -> None:
    properties = {"DefinitionBody": {"paths": {"/x": {}}}, "Tags": {"coatcheck": "x"}}
    template = whole(properties)
    adapted = localstack.adapt(template, "Desk")["Resources"]["RestAPI"]["Properties"]
    assert adapted["Tags"] == {"coatcheck": "x", "_custom_id_": "desk"}
    assert adapted["PropagateTags"] is True
    assert adapted["DefinitionBody"] == localstack.NO_ROUTES
    assert properties["Tags"] == {"coatcheck": "x"}, "the template itself is left alone"


def test_the_api_looks_at_tokens_itself_where_the_gateway_does_not(local: Target) -> None:
    adapted = localstack.adapt(whole({}), "desk")["Resources"]
    variables = adapted["APIHandler"]["Properties"]["Environment"]["Variables"]
    assert variables["COATCHECK_TOKENS"] == {"Ref": "Tokens"}
    assert adapted.keys() == {"RestAPI", "APIHandler", "Tokens", "FilesBucket", "FilesPolicy"}
    assert "Condition" not in adapted["Tokens"], "an update could not make it"


def test_the_bucket_has_a_name_that_workers_can_be_told_and_goes_with_the_stack(local: Target) -> None:
    template = whole({})
    adapted = localstack.adapt(template, "Desk")["Resources"]
    assert adapted["FilesBucket"]["Properties"]["BucketName"] == "desk-files"
    variables = adapted["APIHandler"]["Properties"]["Environment"]["Variables"]
    assert variables["COATCHECK_FILES"] == ["s3://", {"Bucket": "desk-files"}]
    assert variables["AWS_ACCESS_KEY_ID"] == "test", "its S3 checks links against no other key"
    assert {adapted[name]["DeletionPolicy"] for name in ("FilesBucket", "FilesPolicy")} == {"Delete"}
    assert template["Resources"]["FilesBucket"]["DeletionPolicy"] == "Retain", "that one is left alone"


def test_the_url_goes_through_localstacks_own_path() -> None:
    outputs = {
        "EndpointURL": "https://abc.execute-api.localhost.localstack.cloud:4566/api/",
        "RestAPIId": "abc",
    }
    url = localstack.url("http://localhost:4566/", outputs)
    assert url == "http://localhost:4566/_aws/execute-api/abc/api/"


def test_what_functions_logged_goes_with_them(local: Target, stub: Callable[..., Stubber]) -> None:
    stack = Stack(local, "desk")
    stub(local, "cloudformation").add_response(
        "list_stack_resources",
        answers.resources(
            ("APIHandler", "AWS::Lambda::Function", "desk-api"),
            ("Metrics", "AWS::Lambda::Function", "desk-m"),
        ),
    )
    logs = stub(local, "logs")
    logs.add_response("delete_log_group", {}, {"logGroupName": "/aws/lambda/desk-api"})
    logs.add_client_error(
        "delete_log_group", "ResourceNotFoundException", expected_params={"logGroupName": ANY}
    )
    localstack.clean(local, stack.resources())
    logs.assert_no_pending_responses()


def test_its_parameters_are_those_of_the_template() -> None:
    assert set(localstack.PARAMETERS) <= set(load_extra()["Parameters"])


def test_no_stack_policy_is_set_there(local: Target, stub: Callable[..., Stubber]) -> None:
    stub(local, "cloudformation").add_client_error("set_stack_policy", "InternalFailure")
    Stack(local, "desk").protect(["Key"])
