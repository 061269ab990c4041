"""``--parameter`` is checked against the template before AWS sees it."""

from __future__ import annotations

from typing import Any

import pytest

from infra.deploy.errors import DeployError
from infra.deploy.parameters import check, complete, parse
from infra.template import load_extra

DECLARED: dict[str, Any] = {
    "Colour": {"Type": "String", "Default": "red", "AllowedPattern": "[a-z]+"},
    "Count": {"Type": "Number", "Default": 1, "MinValue": 1, "MaxValue": 9},
    "Days": {"Type": "Number", "Default": 7, "AllowedValues": [1, 7]},
    "Digest": {
        "Type": "String",
        "Default": "",
        "AllowedPattern": "^$|^sha256:[0-9a-f]{4}$",
        "ConstraintDescription": "sha256: and four digits",
    },
    "Groups": {"Type": "CommaDelimitedList", "Default": "", "AllowedPattern": "sg-[0-9]+"},
    "Needed": {"Type": "String", "Description": "What it is for."},
    "Secret": {"Type": "String", "NoEcho": True, "Default": "", "MinLength": 8},
    "Short": {"Type": "String", "Default": "ab", "MinLength": 2, "MaxLength": 3},
}


def test_values_are_taken_as_they_are() -> None:
    given = ["Colour=blue", "Count=9", "Days=7", "Digest=", "Groups=sg-1, sg-2", "Needed=a=b", "Short=abc"]
    assert parse(given, DECLARED) == {
        "Colour": "blue",
        "Count": "9",
        "Days": "7",
        "Digest": "",
        "Groups": "sg-1, sg-2",
        "Needed": "a=b",
        "Short": "abc",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("Colour", "--parameter Colour: it should be NAME=VALUE"),
        ("Color=x", "--parameter Color: the template has no such parameter; did you mean Colour?"),
        ("Colour=Red", "--parameter Colour: 'Red' doesn't match [a-z]+"),
        ("Count=x", "--parameter Count: 'x' is not a number"),
        ("Count=0", "--parameter Count: '0' should be from 1 to 9"),
        ("Count=10", "--parameter Count: '10' should be from 1 to 9"),
        ("Days=2", "--parameter Days: '2' is none of 1, 7"),
        ("Digest=sha256:x", "--parameter Digest: 'sha256:x' is not allowed: sha256: and four digits"),
        ("Groups=sg-1,x", "--parameter Groups: 'sg-1,x' doesn't match sg-[0-9]+"),
        ("Short=a", "--parameter Short: 'a' should have 2 to 3 characters"),
        ("Short=abcd", "--parameter Short: 'abcd' should have 2 to 3 characters"),
        ("Secret=1234", "--parameter Secret: the value should have 8 to 4096 characters"),
    ],
)
def test_a_wrong_value_is_told(given: str, message: str) -> None:
    with pytest.raises(DeployError) as caught:
        parse([given], DECLARED)
    assert str(caught.value) == message


def test_an_unknown_name_that_is_like_none_gets_the_list() -> None:
    with pytest.raises(DeployError, match="it has Colour, Count, Days, Digest"):
        parse(["Zzz=1"], DECLARED)


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(DeployError) as caught:
        parse(["Zzz=1", "Colour=a", "Colour=b"], DECLARED)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "--parameter Zzz",
        "--parameter Colour",
    ]
    with pytest.raises(DeployError) as caught:
        parse(["Count=x", "Days=x"], DECLARED)
    assert len(str(caught.value).splitlines()) == 2


def test_a_change_set_gets_what_is_given_and_what_was() -> None:
    previous = {"Colour": "blue", "Count": "2", "Needed": "x", "Gone": "y"}
    assert complete({"Count": "3"}, DECLARED, previous) == [
        {"ParameterKey": "Colour", "UsePreviousValue": True},
        {"ParameterKey": "Count", "ParameterValue": "3"},
        {"ParameterKey": "Needed", "UsePreviousValue": True},
    ]


def test_a_parameter_without_default_is_needed() -> None:
    with pytest.raises(DeployError, match=r"^--parameter Needed=... is needed: What it is for.$"):
        complete({}, DECLARED, {})
    assert complete({"Needed": "x"}, DECLARED, {}) == [{"ParameterKey": "Needed", "ParameterValue": "x"}]


def test_the_defaults_of_the_template_are_allowed_by_it() -> None:
    declared = load_extra()["Parameters"]
    defaults = {name: str(spec["Default"]) for name, spec in declared.items() if "Default" in spec}
    assert len(defaults) > 20
    check(defaults, declared)
