"""A small template for the tests, of types that moto's CloudFormation has."""

from __future__ import annotations

from typing import Any

Template = dict[str, Any]
EVERYTHING = {
    "Name": "desk",
    "RedisUrl": "redis://own",
    "AuthMode": "tokens",
    "LogDays": "7",
    "WorkerArchitecture": "ARM64",
    "WorkerImageDigest": "",
}
"""All parameters: to moto a default is another value than the same one given."""


def small() -> Template:
    """The template.

    It has no conditions, of which moto's change sets take no notice, and no numbers, which to moto are
    other values than their texts.
    """
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Parameters": {
            "Name": {"Type": "String", "Default": "coatcheck", "AllowedPattern": "^[a-z-]+$"},
            "RedisUrl": {"Type": "String", "Default": ""},
            "AuthMode": {"Type": "String", "Default": "tokens"},
            "LogDays": {"Type": "String", "Default": "365", "AllowedValues": ["1", "7", "365"]},
            "WorkerArchitecture": {"Type": "String", "Default": "ARM64"},
            "WorkerImageDigest": {"Type": "String", "Default": ""},
        },
        "Resources": {
            "ApiLogGroup": {
                "Type": "AWS::Logs::LogGroup",
                "Properties": {
                    "LogGroupName": {"Fn::Sub": "/coatcheck/${Name}/api"},
                    "RetentionInDays": {"Ref": "LogDays"},
                },
            },
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Name"}}},
        },
        "Outputs": {"EndpointURL": {"Value": "https://api.example/api/"}},
    }


def with_workers(template: Template) -> None:
    """Add the repository, and a topic that shows the image's digest."""
    template["Resources"]["WorkerRepository"] = {
        "Type": "AWS::ECR::Repository",
        "Properties": {"RepositoryName": {"Fn::Sub": "${Name}-worker"}},
    }
    template["Resources"]["Topic"]["Properties"]["DisplayName"] = {"Ref": "WorkerImageDigest"}
