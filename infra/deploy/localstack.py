"""What is different at LocalStack 4.14.0.

Its CloudFormation can't update an API: routes stay old and the stage is lost, whether it reports
UPDATE_COMPLETE or fails. So the API's definition is put into place directly. It asks no authorizer, so the
API looks at the tokens itself. It writes the functions' logs to groups of Lambda's choice.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from infra import auth_mode
from infra.deploy.intrinsics import resolve
from infra.deploy.stack import Resource, Stack, State
from infra.deploy.target import Target

API = "RestAPI"
"""Chalice's logical id of the API."""
FUNCTION = "AWS::Lambda::Function"
PARAMETERS = {
    "ApiLogRole": "existing",
    "AuthMode": "none",
    "GatewayPath": "/_aws/execute-api",
    "RedisUrl": "redis://redis:6379/0",
}
"""What a new stack gets there unless it is told otherwise: the Redis of ``localstack-compose.yml``, as
functions see it, no role that outlives the stack, an API for whoever is on this machine, and where LocalStack
has its APIs."""
ENDPOINT = "FilesEndpoint"
"""The parameter that says where a browser finds LocalStack, for links to files."""
TOKENS = "Tokens"
"""The logical id of the secret with the tokens."""
FILES = ("FilesBucket", "FilesPolicy")
"""The logical ids of the bucket with the files, and of its policy."""
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": ""}
"""What functions sign links with: LocalStack's S3 knows no other keys, not even those that its STS gives."""
OF_AUTHORIZER = ("Authorizer", "AuthorizerInvokePermission", "AuthorizerRole")
"""What is there only for API Gateway to ask."""
NO_ROUTES = {
    "swagger": "2.0",
    "info": {"title": "coatcheck", "version": "1.0"},
    "paths": {
        "/": {"get": {"responses": {}, "x-amazon-apigateway-integration": {"type": "mock", "uri": "mock"}}}
    },
}
"""An API without a reference to anything that may change; a deployment needs one method."""
RESPONSES = "x-amazon-apigateway-gateway-responses"
"""What the gateway answers by itself, in an API's definition."""


def adapt(template: Mapping[str, Any], stack: str) -> dict[str, Any]:
    """The template for LocalStack.

    Its API keeps its id, so that the URL outlives the container, and has no routes of its own: ``repair``
    gives it those. So an update never changes it, which would replace its stage and fail half-way. Its bucket
    has a name that workers can be told before it is there, and goes with the stack.
    """
    adapted: dict[str, Any] = copy.deepcopy(dict(template))
    bucket = adapted["Resources"][FILES[0]]["Properties"]["BucketName"]
    adapted = _replaced(adapted, bucket, files_bucket(stack))
    for name in FILES:
        adapted["Resources"][name] |= {"DeletionPolicy": "Delete", "UpdateReplacePolicy": "Delete"}
    properties = adapted["Resources"][API]["Properties"]
    properties["DefinitionBody"] = NO_ROUTES
    properties["Tags"] = {**properties.get("Tags", {}), "_custom_id_": stack.lower()}
    properties["PropagateTags"] = True  # from the stage, for which SAM takes them, to the API
    for name in OF_AUTHORIZER:
        del adapted["Resources"][name]
    del adapted["Resources"][TOKENS][
        "Condition"
    ]  # an update can't make it: LocalStack fails at such conditions
    variables = adapted["Resources"]["APIHandler"]["Properties"]["Environment"]["Variables"]
    variables |= {"COATCHECK_TOKENS": {"Ref": TOKENS}, **KEYS}
    return adapted


def files_bucket(stack: str) -> str:
    """The name of a stack's bucket for files at LocalStack."""
    return f"{stack.lower()}-files"


def _replaced(node: Any, old: Any, new: Any) -> Any:
    """A template in which something stands for something else, wherever it is."""
    if node == old:
        return new
    if isinstance(node, dict):
        return {key: _replaced(value, old, new) for key, value in node.items()}
    return [_replaced(value, old, new) for value in node] if isinstance(node, list) else node


def log_groups(resources: Iterable[Resource]) -> dict[str, str]:
    """The names of the groups in which the functions' logs are, by the functions' logical ids."""
    return {entry.name: f"/aws/lambda/{entry.id}" for entry in resources if entry.type == FUNCTION}


def clean(target: Target, resources: Iterable[Resource]) -> None:
    """Delete what the functions of a deleted stack have left."""
    logs = target.client("logs")
    for name in log_groups(resources).values():
        with suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=name)


def repair(stack: Stack, state: State, template: Mapping[str, Any]) -> None:
    """Give the API the routes that the template says, and deploy its stage.

    Takes the stack, its state after the update, and the template that it was updated with.

    Raises DeployError for an intrinsic function in the API's definition that isn't understood.
    """
    values = _values(stack, state) | {auth_mode.PARAMETER: "none"}  # its gateway asks nobody
    properties = template["Resources"][API]["Properties"]
    definition = resolve(properties["DefinitionBody"], values, template.get("Conditions"))
    gateway = stack.target.client("apigateway")
    gateway.put_rest_api(
        restApiId=values[API], mode="overwrite", failOnWarnings=False, body=json.dumps(definition).encode()
    )
    for kind, response in definition.get(RESPONSES, {}).items():  # which the import leaves out
        gateway.put_gateway_response(restApiId=values[API], responseType=kind, **response)
    gateway.create_deployment(restApiId=values[API], stageName=resolve(properties["StageName"], values))


def url(endpoint: str, outputs: Mapping[str, str]) -> str:
    """The API's address at LocalStack, from LocalStack's own and the stack's outputs."""
    stage = outputs["EndpointURL"].rstrip("/").rpartition("/")[2]
    return f"{endpoint.rstrip('/')}/_aws/execute-api/{outputs['RestAPIId']}/{stage}/"


def api_url(target: Target, state: State, public_endpoint: str | None = None) -> str:
    """The URL of a stack's API, at AWS or LocalStack; empty while it has none."""
    if "EndpointURL" not in state.outputs:
        return ""
    if target.endpoint:
        return url(public_endpoint or target.endpoint, state.outputs)
    return state.outputs["EndpointURL"]


def _values(stack: Stack, state: State) -> dict[str, str]:
    """What names in the API's definition can stand for."""
    values = {
        **state.parameters,
        "AWS::AccountId": stack.target.account,
        "AWS::Partition": stack.target.partition,
        "AWS::Region": stack.target.region,
        "AWS::StackId": state.id,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com",
    }
    functions = stack.target.client("lambda")
    for resource in stack.resources():
        values[resource.name] = resource.id
        if resource.type == FUNCTION:
            found = functions.get_function_configuration(FunctionName=resource.id)
            values[f"{resource.name}.Arn"] = found["FunctionArn"]
    return values
