"""CloudFormation's intrinsic functions, replaced by what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from infra.deploy.errors import DeployError

PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")
NOTHING = object()
"""What ``AWS::NoValue`` stands for: it is left out."""


def resolve(node: Any, values: Mapping[str, str], conditions: Mapping[str, Any] | None = None) -> Any:
    """A part of a template with its intrinsic functions replaced.

    Takes the part, the values by name (parameters, physical ids, ``Function.Arn``, ``AWS::Region``), and the
    template's conditions.

    Raises DeployError for an unknown function or name.
    """
    return _Resolver(values, conditions or {}).resolve(node)


class _Resolver:
    def __init__(self, values: Mapping[str, str], conditions: Mapping[str, Any]) -> None:
        self._values = values
        self._conditions = conditions

    def resolve(self, node: Any) -> Any:
        match node:
            case {"Ref": "AWS::NoValue"} if len(node) == 1:
                return NOTHING
            case {"Ref": str(name)} if len(node) == 1:
                return self._value(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]} if len(node) == 1:
                return self._value(f"{name}.{attribute}")
            case {"Fn::GetAtt": str(name)} if len(node) == 1:
                return self._value(name)
            case {"Fn::Sub": str(text)} if len(node) == 1:
                return self._substitute(text, {})
            case {"Fn::Sub": [str(text), dict(more)]} if len(node) == 1:
                return self._substitute(text, self.resolve(more))
            case {"Fn::Join": [str(separator), list(parts)]} if len(node) == 1:
                return separator.join(str(self.resolve(part)) for part in parts)
            case {"Fn::If": [str(name), then, otherwise]} if len(node) == 1:
                return self.resolve(then if self._holds({"Condition": name}) else otherwise)
            case dict():
                if unknown := next((key for key in node if str(key).startswith("Fn::")), None):
                    raise DeployError(f"LocalStack's API can't be repaired: {unknown} in its definition")
                return {key: value for key in node if (value := self.resolve(node[key])) is not NOTHING}
            case list():
                return [value for entry in node if (value := self.resolve(entry)) is not NOTHING]
        return node

    def _holds(self, condition: Any) -> bool:
        match condition:
            case {"Condition": str(name)} if name in self._conditions:
                return self._holds(self._conditions[name])
            case {"Fn::Equals": [one, other]}:
                return str(self.resolve(one)) == str(self.resolve(other))
            case {"Fn::Not": [part]}:
                return not self._holds(part)
            case {"Fn::And": list(parts)}:
                return all(self._holds(part) for part in parts)
            case {"Fn::Or": list(parts)}:
                return any(self._holds(part) for part in parts)
        raise DeployError(f"LocalStack's API can't be repaired: the condition {condition} in its definition")

    def _substitute(self, text: str, more: Mapping[str, str]) -> str:
        def replacement(match: re.Match[str]) -> str:
            if match[1]:
                return f"${{{match[2]}}}"
            return more[match[2]] if match[2] in more else self._value(match[2])

        return PLACEHOLDER.sub(replacement, text)

    def _value(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            raise DeployError(
                f"LocalStack's API can't be repaired: its definition refers to {name}"
            ) from None
