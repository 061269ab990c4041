"""The bucket of the files: private, encrypted, emptied by its rules, open to the API's own page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coatcheck.files.ids import CLASSES
from coatcheck.settings import load
from tests.support.cloudformation import Stack
from tests.template.conftest import CASES, WITH_WORKERS

EVERYWHERE = pytest.mark.parametrize("case", CASES)
NAME = "desk-1-files-123456789012-01234567"
API = "https://RestAPI.execute-api.eu-central-1.amazonaws.com"


def variables(made: Stack) -> dict[str, Any]:
    found: dict[str, Any] = made["APIHandler"]["Environment"]["Variables"]
    return found


@EVERYWHERE
def test_it_is_private_encrypted_and_spoken_to_over_tls_only(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, Name="desk-1")
    bucket = made["FilesBucket"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    assert "VersioningConfiguration" not in bucket, "what has expired would still be there"
    [denied] = made["FilesPolicy"]["PolicyDocument"]["Statement"]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Resource"] == [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@EVERYWHERE
def test_its_rules_end_each_class_of_files_and_what_nobody_completes(
    case: str, stack: Callable[..., Stack]
) -> None:
    rules = stack(case)["FilesBucket"]["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in rules} == {"Enabled"}
    ended = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "Prefix" in rule}
    assert ended == {f"d{days}/": days for days in CLASSES}
    [rule] = [rule for rule in rules if "Prefix" not in rule]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


@EVERYWHERE
def test_pages_of_the_api_and_of_named_origins_use_it_and_no_others(
    case: str, stack: Callable[..., Stack]
) -> None:
    def origins(**parameters: str) -> list[str]:
        [rule] = stack(case, **parameters)["FilesBucket"]["CorsConfiguration"]["CorsRules"]
        assert rule["AllowedMethods"] == ["GET", "PUT"]
        assert "*" not in rule["AllowedHeaders"]
        found: list[str] = rule["AllowedOrigins"]
        return found

    assert origins() == [API]
    two = "https://one.example.com,https://two.example.com"
    assert origins(CorsOrigins=two) == [API, *two.split(",")]


@pytest.mark.parametrize("case", WITH_WORKERS)
def test_functions_and_workers_have_the_same_bucket(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, Name="desk-1")
    [container] = made["WorkerTask"]["ContainerDefinitions"]
    worker = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    assert variables(made)["COATCHECK_FILES"] == worker["COATCHECK_FILES"] == f"s3://{NAME}"
    assert made.outputs["FilesBucketName"] == made["FilesBucket"]["BucketName"] == NAME


@EVERYWHERE
def test_the_longest_name_is_still_one_of_a_bucket(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, Name="n" * 30)
    assert len(made.outputs["FilesBucketName"]) <= 63
    load({"REDIS_URL": "redis://x", "AWS_REGION": "x", "COATCHECK_FILES": variables(made)["COATCHECK_FILES"]})


@EVERYWHERE
def test_ones_own_bucket_is_used_and_left_alone(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, Files="my-bucket")
    assert not made.types & {"AWS::S3::Bucket", "AWS::S3::BucketPolicy"}
    assert variables(made)["COATCHECK_FILES"] == "s3://my-bucket"
    assert made.outputs["FilesBucketName"] == "my-bucket"
    assert "arn:aws:s3:::my-bucket/d1/*" in str(made["DefaultRole"]["Policies"])


@EVERYWHERE
def test_switched_off_there_is_nothing_of_files(case: str, stack: Callable[..., Stack]) -> None:
    made = stack(case, Files="off")
    assert not made.types & {"AWS::S3::Bucket", "AWS::S3::BucketPolicy"}
    assert variables(made)["COATCHECK_FILES"] == ""
    assert "FilesBucketName" not in made.outputs
    assert not [name for name, role in made.of("AWS::IAM::Role").items() if "s3:" in str(role)]
