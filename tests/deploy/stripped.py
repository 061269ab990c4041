"""The whole template as far as moto's CloudFormation can make it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from moto.cloudformation.parsing import get_model_map

from infra.template import Template

BROKEN = {
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::RestApi",  # moto takes no Body
    "AWS::CloudWatch::Dashboard",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",  # it looks for the code, and this one is none
    "AWS::Lambda::Permission",
}
"""Types that moto says it has, but doesn't make of this template."""
NOTHING = {"Ref": "AWS::NoValue"}


def stripped(template: Template, condition: Callable[[str], bool]) -> Template:
    """The expanded template without what moto can't make; where that is referred to, its name stands.

    It has no conditions, which moto mistakes in lists, and no parameters but texts, which moto compares
    with what was given. Takes what tells whether a condition holds.
    """
    made = {
        name: resource
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or condition(resource["Condition"])
    }
    kept = {
        name: resource
        for name, resource in made.items()
        if resource["Type"] in get_model_map() and resource["Type"] not in BROKEN
    }
    names = template["Resources"].keys() - kept.keys()

    def without(node: Any) -> Any:
        match node:
            case {"Fn::If": [str(name), then, otherwise]}:
                return without(then if condition(name) else otherwise)
            case {"Ref": str(name)} if name in names:
                return name
            case {"Fn::GetAtt": [str(name), str(attribute)]} if name in names:
                return f"arn:aws:missing:eu-west-1:123456789012:{name}" if attribute == "Arn" else name
            case {"Fn::Sub": str(text)}:
                return {"Fn::Sub": re.sub(r"\$\{(\w+)(?:\.[\w.]+)?\}", named, text)}
            case dict():
                return {key: value for key in node if (value := without(node[key])) != NOTHING}
            case list():
                return [value for entry in node if (value := without(entry)) != NOTHING]
        return node

    def named(match: re.Match[str]) -> str:
        return match[1] if match[1] in names else match[0]

    resources = {
        name: {key: value for key, value in resource.items() if key not in ("Condition", "DependsOn")}
        for name, resource in kept.items()
    }
    parameters = {
        name: {**spec, "Default": str(spec["Default"]), "Type": "String"}
        for name, spec in template["Parameters"].items()
    }
    return {**template, "Parameters": parameters, "Resources": without(resources), "Outputs": {}}
