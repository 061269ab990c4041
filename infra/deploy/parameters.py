"""``--parameter NAME=VALUE`` against the template's parameters, before AWS sees them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from infra.deploy.errors import DeployError


def parse(given: Iterable[str], declared: Mapping[str, Any]) -> dict[str, str]:
    """The values by name.

    Takes ``NAME=VALUE`` texts and the template's ``Parameters``.

    Raises DeployError: a line for each unknown name and each value that the template doesn't allow.
    """
    values: dict[str, str] = {}
    wrong: list[str] = []
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            wrong.append(f"--parameter {text}: it should be NAME=VALUE")
        elif name not in declared:
            wrong.append(f"--parameter {name}: {_unknown(name, declared)}")
        elif name in values:
            wrong.append(f"--parameter {name}: it is given twice")
        else:
            values[name] = value
    if wrong:
        raise DeployError("\n".join(wrong))
    check(values, declared)
    return values


def check(values: Mapping[str, str], declared: Mapping[str, Any]) -> None:
    """Check values whose names are known. Raises DeployError: a line for each that isn't allowed."""
    wrong = []
    for name, value in values.items():
        if reason := _refusal(value, declared[name]):
            shown = "the value" if _is_secret(declared[name]) else repr(value)
            wrong.append(f"--parameter {name}: {shown} {reason}")
    if wrong:
        raise DeployError("\n".join(wrong))


def complete(
    values: Mapping[str, str], declared: Mapping[str, Any], previous: Mapping[str, str]
) -> list[Any]:
    """The ``Parameters`` of a change set: what is given, and for the rest what the stack has now.

    Takes the checked values, the template's parameters and the stack's present ones (none for a new
    stack). What neither has gets the template's default.

    Raises DeployError for a parameter without any value.
    """
    missing = [
        name
        for name, spec in declared.items()
        if name not in values and name not in previous and "Default" not in spec
    ]
    if missing:
        tips = [
            f"--parameter {name}=... is needed: {declared[name].get('Description', 'it has no default')}"
            for name in missing
        ]
        raise DeployError("\n".join(tips))
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]
    kept = [
        {"ParameterKey": name, "UsePreviousValue": True}
        for name in declared
        if name in previous and name not in values
    ]
    return sorted(given + kept, key=lambda entry: str(entry["ParameterKey"]))


def _unknown(name: str, declared: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, declared, n=1, cutoff=0.5)
    if close:
        return f"the template has no such parameter; did you mean {close[0]}?"
    return f"the template has no such parameter; it has {', '.join(sorted(declared))}"


def _refusal(value: str, spec: Mapping[str, Any]) -> str | None:
    """Why a parameter's declaration doesn't allow a value; None if it does."""
    problem = _problem(value, spec)
    description = spec.get("ConstraintDescription")
    return f"is not allowed: {description}" if problem and description else problem


def _problem(value: str, spec: Mapping[str, Any]) -> str | None:
    if (allowed := spec.get("AllowedValues")) and value not in map(str, allowed):
        return f"is none of {', '.join(map(str, allowed))}"
    pattern = spec.get("AllowedPattern")
    parts = value.split(",") if spec["Type"] == "CommaDelimitedList" else [value]
    if pattern and not all(re.fullmatch(pattern, part.strip()) for part in parts):
        return f"doesn't match {pattern}"
    if not int(spec.get("MinLength", 0)) <= len(value) <= int(spec.get("MaxLength", 4096)):
        return f"should have {spec.get('MinLength', 0)} to {spec.get('MaxLength', 4096)} characters"
    return _number_problem(value, spec) if spec["Type"] == "Number" else None


def _number_problem(value: str, spec: Mapping[str, Any]) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return "is not a number"
    low, high = float(spec.get("MinValue", "-inf")), float(spec.get("MaxValue", "inf"))
    if not low <= number <= high:
        return f"should be from {spec.get('MinValue', 'any')} to {spec.get('MaxValue', 'any')}"
    return None


def _is_secret(spec: Mapping[str, Any]) -> bool:
    return str(spec.get("NoEcho", "")).lower() == "true"
