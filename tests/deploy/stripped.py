"""The whole template as far as moto's CloudFormation can make it."""

from __future__ import annotations

import re
from typing import Any

from moto.cloudformation.parsing import resource_class_from_type

from infra.template import Template

BROKEN = {
    "AWS::ApiGateway::RestApi",  # moto takes no Body
    "AWS::ApiGateway::Deployment",
    "AWS::KMS::Key",
}
"""Types that moto says it has."""
WITHOUT: dict[str, set[str]] = {}
"""Properties that moto stumbles over."""


def stripped(template: Template) -> Template:
    """The expanded template without what moto can't make; where that is referred to, its name stands."""
    missing = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] in BROKEN or not resource_class_from_type(resource["Type"])
    }
    resources = {
        name: resource for name, resource in template["Resources"].items() if name not in missing
    }
    for resource in resources.values():
        resource.pop("DependsOn", None)
    return {**template, "Resources": without(resources, missing), "Outputs": without(template["Outputs"], missing)}


def without(node: Any, missing: set[str]) -> Any:
    """A part of a template in which nothing refers to what is missing."""
    match node:
        case {"Ref": str(name)} if name in missing:
            return name
        case {"Fn::GetAtt": [str(name), str(attribute)]} if name in missing:
            return f"{name}.{attribute}"
        case {"Fn::Sub": str(text)}:
            pattern = r"\$\{(\w+)(\.[\w.]+)?\}"
            return {"Fn::Sub": re.sub(pattern, lambda m: m[1] if m[1] in missing else m[0], text)}
        case dict():
            return {key: without(value, missing) for key, value in node.items()}
        case list():
            return [without(value, missing) for value in node]
    return node
