"""How Chalice's template and ours become one."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from infra.errors import StartError
from infra.template import Template, dumps, load_extra, merge

CHALICE: Template = {
    "Resources": {
        "APIHandler": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Timeout": 60,
                "Role": {"Fn::GetAtt": ["DefaultRole", "Arn"]},
                "Tags": {"chalice": "1"},
            },
        },
        "DefaultRole": {"Type": "AWS::IAM::Role", "Properties": {"Policies": [{"PolicyName": "wide"}]}},
    }
}


def load(tmp_path: Path, text: str) -> Template:
    path = tmp_path / "extra.yaml"
    path.write_text(text)
    return load_extra(path)


def test_mappings_are_merged_and_lists_and_single_values_replaced() -> None:
    extra: Template = {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {
            "APIHandler": {"Properties": {"Timeout": 28, "Tags": {"ours": "2"}}},
            "DefaultRole": {"Properties": {"Policies": []}},
            "Key": {"Type": "AWS::KMS::Key"},
        },
    }
    before = copy.deepcopy((CHALICE, extra))
    assert merge(CHALICE, extra) == {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {
            "APIHandler": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Timeout": 28,
                    "Role": {"Fn::GetAtt": ["DefaultRole", "Arn"]},
                    "Tags": {"chalice": "1", "ours": "2"},
                },
            },
            "DefaultRole": {"Type": "AWS::IAM::Role", "Properties": {"Policies": []}},
            "Key": {"Type": "AWS::KMS::Key"},
        },
    }
    assert (CHALICE, extra) == before


@pytest.mark.parametrize("role", [{"Ref": "Own"}, {"Fn::Sub": "${Own}"}, "arn:own"])
def test_a_function_call_is_replaced_as_a_whole(role: object) -> None:
    merged = merge(CHALICE, {"Resources": {"APIHandler": {"Properties": {"Role": role}}}})
    assert merged["Resources"]["APIHandler"]["Properties"]["Role"] == role


def test_an_addition_to_what_chalice_does_not_make_is_a_fault() -> None:
    with pytest.raises(StartError, match="adds to the resource ApiHandler, which Chalice does not make"):
        merge(CHALICE, {"Resources": {"ApiHandler": {"Properties": {"Timeout": 28}}}})


def test_short_forms_become_long_ones(tmp_path: Path) -> None:
    text = """
        ref: !Ref Name
        attribute: !GetAtt Redis.PrimaryEndPoint.Address
        sub: !Sub "${Name}-a"
        choice: !If [Given, !Ref Name, !Ref "AWS::NoValue"]
        both: !And [!Condition Given, !Equals [a, b]]
        split: !Split [",", !Join [",", [a]]]
        import: !ImportValue {Fn::Sub: "${Name}-export"}
    """
    assert load(tmp_path, text) == {
        "ref": {"Ref": "Name"},
        "attribute": {"Fn::GetAtt": ["Redis", "PrimaryEndPoint.Address"]},
        "sub": {"Fn::Sub": "${Name}-a"},
        "choice": {"Fn::If": ["Given", {"Ref": "Name"}, {"Ref": "AWS::NoValue"}]},
        "both": {"Fn::And": [{"Condition": "Given"}, {"Fn::Equals": ["a", "b"]}]},
        "split": {"Fn::Split": [",", {"Fn::Join": [",", ["a"]]}]},
        "import": {"Fn::ImportValue": {"Fn::Sub": "${Name}-export"}},
    }


def test_a_date_stays_text_and_anchors_are_gone(tmp_path: Path) -> None:
    extra = load(tmp_path, "one: &version {Version: 2012-10-17}\nother: *version\n")
    assert json.loads(dumps(extra)) == {"one": {"Version": "2012-10-17"}, "other": {"Version": "2012-10-17"}}


def test_the_same_template_always_gives_the_same_text(merged: Template) -> None:
    assert dumps(merged) == dumps(json.loads(dumps(merged)))
    assert "&" not in dumps(merged).replace("&{${Namespace}}", "")


def test_it_is_small_enough_for_cloudformation(merged: Template, expanded: Template) -> None:
    assert len(dumps(merged)) < 1_000_000 and len(dumps(expanded)) < 1_000_000
    assert (
        len(expanded["Resources"]) < 500 and len(merged["Parameters"]) < 200 and len(merged["Outputs"]) < 200
    )


@pytest.mark.parametrize("text", ["- a\n", "", "a: [\n", "a: !Ref &b\n *b", None])
def test_a_fragment_that_can_not_be_read_is_named(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "extra.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StartError, match=r"extra\.yaml"):
        load_extra(path)
