"""What CloudFormation makes of a template, without AWS: SAM's expansion, conditions, functions, rules."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from infra.template import Template

REGION = "eu-central-1"
ACCOUNT = "123456789012"
UNIQUE = "01234567-89ab-cdef-0123-456789abcdef"
"""What a stack has in its id, another one each time it is made."""
NOTHING = object()
"""What ``AWS::NoValue`` stands for: the property is left out."""
NAMED_BY = {
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::ElastiCache::ReplicationGroup": "ReplicationGroupId",
    "AWS::ElastiCache::User": "UserId",
    "AWS::ElastiCache::UserGroup": "UserGroupId",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
}
"""The property that a reference gives; for all other types it gives the logical id."""
ARNS = {
    "AWS::ECR::Repository": "ecr:{region}:{account}:repository/{name}",
    "AWS::ElastiCache::User": "elasticache:{region}:{account}:user:{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::S3::Bucket": "s3:::{name}",
}


def expand(template: Template) -> Template:
    """The template with SAM's resources made into CloudFormation's, as the transform on AWS does it."""
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if isinstance(resource["Properties"].get("CodeUri"), str):
            resource["Properties"]["CodeUri"] = "s3://bucket/function.zip"
    session = boto3.Session(region_name=REGION)
    expanded: Template = Translator({}, Parser(), boto_session=session).translate(template, {})
    return expanded


class Stack:
    """A template with parameters: the resources that it makes, and what stands in them.

    Takes the expanded template and the parameters that are not left at their defaults.

    Raises ValueError for a parameter that the template does not take, or that breaks one of its rules.
    """

    def __init__(self, template: Template, parameters: Mapping[str, str | int] | None = None) -> None:
        self._template = template
        self._values: dict[str, Any] = {
            "AWS::AccountId": ACCOUNT,
            "AWS::NoValue": NOTHING,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/stack/{UNIQUE}",
            "AWS::StackName": "stack",
            "AWS::URLSuffix": "amazonaws.com",
        }
        given = {name: str(value) for name, value in (parameters or {}).items()}
        if unknown := given.keys() - template["Parameters"].keys():
            raise ValueError(f"no such parameter: {unknown}")
        for name, parameter in template["Parameters"].items():
            text = given.get(name, str(parameter["Default"]))
            check(name, parameter, text)
            self._values[name] = text.split(",") if parameter["Type"] == "CommaDelimitedList" else text
        self._check_rules()
        self.resources: dict[str, dict[str, Any]] = {
            name: self._resolved(resource)
            for name, resource in template["Resources"].items()
            if self.condition(resource.get("Condition"))
        }
        self.outputs = {
            name: self._resolved(output["Value"])
            for name, output in template["Outputs"].items()
            if self.condition(output.get("Condition"))
        }

    def __contains__(self, name: str) -> bool:
        return name in self.resources

    def __getitem__(self, name: str) -> dict[str, Any]:
        """The properties of a resource."""
        properties: dict[str, Any] = self.resources[name].get("Properties", {})
        return properties

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of one type, such as ``AWS::IAM::Role``."""
        return {name: self[name] for name, found in self.resources.items() if found["Type"] == kind}

    @property
    def types(self) -> set[str]:
        """The types of all resources that are made."""
        return {resource["Type"] for resource in self.resources.values()}

    def condition(self, name: str | None) -> bool:
        """Whether a condition holds."""
        return name is None or bool(self._resolved(self._template["Conditions"][name]))

    def _check_rules(self) -> None:
        for rule in self._template["Rules"].values():
            if self._resolved(rule["RuleCondition"]):
                for assertion in rule["Assertions"]:
                    if not self._resolved(assertion["Assert"]):
                        raise ValueError(assertion["AssertDescription"])

    def _resolved(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for entry in node if (value := self._resolved(entry)) is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            function, argument = next(iter(node.items()))
            if function == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if function == "Ref":
                return self._reference(argument)
            if function.startswith("Fn::"):
                return getattr(self, "_" + function[4:].lower())(argument)
        return {key: value for key in node if (value := self._resolved(node[key])) is not NOTHING}

    def _reference(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        resource = self._existing(name)
        if resource["Type"] == "AWS::SecretsManager::Secret":
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}"
        return self._resolved(resource["Properties"].get(NAMED_BY.get(resource["Type"], ""), name))

    def _getatt(self, argument: list[str]) -> str:
        name, attribute = argument
        kind = self._existing(name)["Type"]
        if attribute == "Arn" and kind in ARNS:
            return "arn:aws:" + ARNS[kind].format(region=REGION, account=ACCOUNT, name=self._reference(name))
        return f"{name}.{attribute}"

    def _existing(self, name: str) -> dict[str, Any]:
        resource: dict[str, Any] = self._template["Resources"][name]
        if not self.condition(resource.get("Condition")):
            raise ValueError(f"{name} is referred to, but not made")
        return resource

    def _if(self, argument: list[Any]) -> Any:
        name, then, otherwise = argument
        return self._resolved(then if self.condition(name) else otherwise)

    def _sub(self, argument: Any) -> str:
        text, more = argument if isinstance(argument, list) else (argument, {})

        def replacement(match: re.Match[str]) -> str:
            name = match[1]
            if name in more:
                return str(self._resolved(more[name]))
            return str(self._getatt(name.split(".", 1)) if "." in name else self._reference(name))

        return re.sub(r"\$\{([^!}]+)\}", replacement, text)

    def _findinmap(self, argument: list[Any]) -> Any:
        name, first, second = (self._resolved(part) for part in argument)
        return self._template["Mappings"][name][first][second]

    def _join(self, argument: list[Any]) -> str:
        return str(argument[0]).join(self._resolved(argument[1]))

    def _split(self, argument: list[Any]) -> list[str]:
        return str(self._resolved(argument[1])).split(argument[0])

    def _select(self, argument: list[Any]) -> Any:
        return self._resolved(argument[1])[argument[0]]

    def _getazs(self, argument: Any) -> list[str]:
        return [f"{self._resolved(argument) or REGION}{zone}" for zone in "abc"]

    def _equals(self, argument: list[Any]) -> bool:
        one, other = self._resolved(argument)
        return str(one) == str(other)

    def _not(self, argument: list[Any]) -> bool:
        return not self._resolved(argument[0])

    def _and(self, argument: list[Any]) -> bool:
        return all(self._resolved(argument))

    def _or(self, argument: list[Any]) -> bool:
        return any(self._resolved(argument))

    def _contains(self, argument: list[Any]) -> bool:
        return self._resolved(argument[1]) in self._resolved(argument[0])


def check(name: str, parameter: Mapping[str, Any], text: str) -> None:
    """Compare a value with what a parameter takes, as CloudFormation does. Raises ValueError."""
    pattern = parameter.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, text):
        raise ValueError(f"{name}: {parameter['ConstraintDescription']}")
    if "AllowedValues" in parameter and text not in map(str, parameter["AllowedValues"]):
        raise ValueError(f"{name}: {text!r} is none of the allowed values")
    if len(text) > parameter.get("MaxLength", 4096):
        raise ValueError(f"{name}: too long")
    if parameter["Type"] == "Number":
        number = float(text)
        if not parameter.get("MinValue", number) <= number <= parameter.get("MaxValue", number):
            raise ValueError(f"{name}: out of range")
