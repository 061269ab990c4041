"""Templates for the tests: a small one, and what the real one is for moto."""

from __future__ import annotations

import json
from typing import Any

SMALL: dict[str, Any] = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Parameters": {
        "Name": {"Type": "String", "Default": "coatcheck", "AllowedPattern": "^[a-z-]+$"},
        "RedisUrl": {"Type": "String", "Default": "redis://own"},
        "LogDays": {"Type": "Number", "Default": 365, "AllowedValues": [1, 365]},
    },
    "Resources": {
        "ApiLogGroup": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": {"Fn::Sub": "/coatcheck/${Name}/api"}, "RetentionInDays": {"Ref": "LogDays"}},
        },
        "WorkerLogGroup": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"LogGroupName": {"Fn::Sub": "/coatcheck/${Name}/worker"}},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
    },
    "Outputs": {
        "EndpointURL": {"Value": "https://api.example/api/"},
        "Role": {"Value": {"Ref": "Role"}},
    },
}


def copy(template: dict[str, Any]) -> dict[str, Any]:
    """A deep copy, as JSON."""
    copied: dict[str, Any] = json.loads(json.dumps(template))
    return copied
