"""What LocalStack 4.14.0 needs beyond CloudFormation: its updates leave an API without routes or stage.

They report UPDATE_COMPLETE all the same. So the API's definition is put into place once more, directly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from infra.deploy.errors import DeployError
from infra.deploy.stack import Stack, State
from infra.deploy.target import Target

API = "RestAPI"
"""Chalice's logical id of the API."""
PARAMETERS = {
    "ApiLogRole": "existing",
    "RedisUrl": "redis://redis:6379/0",
}
"""What a new stack gets there unless it is told otherwise: the Redis of ``localstack-compose.yml``, as
functions see it, and no role that outlives the stack."""
PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")


def repair(stack: Stack, state: State, template: Mapping[str, Any]) -> None:
    """Give the API the routes that the template says, and deploy its stage.

    Takes the stack, its state after the update, and the template that it was updated with.

    Raises DeployError for an intrinsic function in the API's definition that isn't understood.
    """
    values = _values(stack, state)
    properties = template["Resources"][API]["Properties"]
    gateway = stack.target.client("apigateway")
    gateway.put_rest_api(
        restApiId=values[API],
        mode="overwrite",
        failOnWarnings=False,
        body=json.dumps(resolve(properties["DefinitionBody"], values)).encode(),
    )
    gateway.create_deployment(restApiId=values[API], stageName=resolve(properties["StageName"], values))


def url(target: Target, outputs: Mapping[str, str]) -> str:
    """The API's address at LocalStack, from the stack's outputs."""
    stage = outputs["EndpointURL"].rstrip("/").rpartition("/")[2]
    return f"{target.endpoint}/_aws/execute-api/{outputs['RestAPIId']}/{stage}/"


def resolve(node: Any, values: Mapping[str, str]) -> Any:
    """A part of a template with its intrinsic functions replaced by what they stand for.

    Takes the part, and the values by name: parameters, physical ids, ``Function.Arn``, ``AWS::Region``.

    Raises DeployError for an unknown function or name.
    """
    match node:
        case {"Ref": str(name)} if len(node) == 1:
            return _value(name, values)
        case {"Fn::GetAtt": [str(name), str(attribute)]} if len(node) == 1:
            return _value(f"{name}.{attribute}", values)
        case {"Fn::GetAtt": str(name)} if len(node) == 1:
            return _value(name, values)
        case {"Fn::Sub": str(text)} if len(node) == 1:
            return _substitute(text, values)
        case {"Fn::Sub": [str(text), dict(more)]} if len(node) == 1:
            return _substitute(text, {**values, **resolve(more, values)})
        case {"Fn::Join": [str(separator), list(parts)]} if len(node) == 1:
            return separator.join(str(resolve(part, values)) for part in parts)
        case dict():
            if unknown := next((key for key in node if str(key).startswith("Fn::")), None):
                raise DeployError(f"LocalStack's API can't be repaired: {unknown} in its definition")
            return {key: resolve(value, values) for key, value in node.items()}
        case list():
            return [resolve(value, values) for value in node]
    return node


def _substitute(text: str, values: Mapping[str, str]) -> str:
    def replacement(match: re.Match[str]) -> str:
        return f"${{{match[2]}}}" if match[1] else _value(match[2], values)

    return PLACEHOLDER.sub(replacement, text)


def _value(name: str, values: Mapping[str, str]) -> str:
    try:
        return values[name]
    except KeyError:
        raise DeployError(f"LocalStack's API can't be repaired: its definition refers to {name}") from None


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
        if resource.type == "AWS::Lambda::Function":
            found = functions.get_function_configuration(FunctionName=resource.id)
            values[f"{resource.name}.Arn"] = found["FunctionArn"]
    return values
