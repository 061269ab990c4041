"""The bucket of the artefacts: private, encrypted, versioned, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.deploy.artefacts import Artefacts, bucket_name
from infra.deploy.errors import DeployError
from infra.deploy.target import Target

BUCKET = "desk-artefacts-123456789012-eu-west-1"
DIGEST = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
"""Of b"hello"."""


@pytest.fixture
def artefacts(target: Target) -> Artefacts:
    artefacts = Artefacts(target, "desk")
    artefacts.prepare()
    return artefacts


@pytest.fixture
def s3(target: Target) -> Any:
    return target.client("s3")


@pytest.fixture
def uploads(s3: Any) -> list[dict[str, Any]]:
    """Every call that puts an object."""
    calls: list[dict[str, Any]] = []
    s3.meta.events.register("provide-client-params.s3.PutObject", lambda params, **_: calls.append(params))
    return calls


def test_the_bucket_is_private(artefacts: Artefacts, s3: Any) -> None:
    block = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(block) == {"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"}
    assert all(block.values())
    ownership = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]["Rules"]
    assert ownership == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_the_bucket_is_encrypted_and_versioned(artefacts: Artefacts, s3: Any) -> None:
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"


def test_the_bucket_lets_nothing_linger(artefacts: Artefacts, s3: Any) -> None:
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]}
    everything = rules["unfinished-uploads-and-old-versions"]
    assert everything["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert everything["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert "Expiration" not in everything, "a roll-back needs the packages of earlier deployments"
    assert rules["templates"]["Filter"] == {"Prefix": "templates/"}
    assert rules["templates"]["Expiration"] == {"Days": 30}


def test_the_bucket_is_tagged(artefacts: Artefacts, s3: Any) -> None:
    assert s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"] == [{"Key": "coatcheck:stack", "Value": "desk"}]


def test_the_bucket_takes_nothing_without_tls(target: Target, s3: Any) -> None:
    policies = []
    s3.meta.events.register_first(
        "before-parameter-build.s3.PutBucketPolicy", lambda params, **_: policies.append(params["Policy"])
    )
    Artefacts(target, "desk").prepare()
    (policy,) = [json.loads(text) for text in policies]
    assert policy["Statement"] == [
        {
            "Sid": "OnlyTLS",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_arns_in_china_are_of_china(aws: boto3.Session) -> None:
    target = Target("aws", "cn-north-1", "123456789012", aws, delay=0.0)
    policies = []
    target.client("s3").meta.events.register_first(
        "before-parameter-build.s3.PutBucketPolicy", lambda params, **_: policies.append(params["Policy"])
    )
    Artefacts(target, "desk").prepare()
    assert "arn:aws-cn:s3:::desk-artefacts-123456789012-cn-north-1" in policies[0]


def test_a_bucket_that_is_there_gets_the_settings_that_it_lost(artefacts: Artefacts, s3: Any) -> None:
    s3.delete_public_access_block(Bucket=BUCKET)
    artefacts.prepare()
    assert s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]["BlockPublicAcls"]


def test_us_east_1_is_no_location(aws: boto3.Session) -> None:
    target = Target("aws", "us-east-1", "123456789012", aws, delay=0.0)
    artefacts = Artefacts(target, "desk")
    artefacts.prepare()
    assert target.client("s3").get_bucket_location(Bucket=artefacts.bucket)["LocationConstraint"] is None


def test_a_bucket_of_somebody_else_is_refused(target: Target, stub: Callable[..., Stubber]) -> None:
    with stub(target, "s3") as stubbed:
        expected = {"Bucket": BUCKET, "ExpectedBucketOwner": "123456789012"}
        stubbed.add_client_error("head_bucket", "403", "Forbidden", 403, expected_params=expected)
        with pytest.raises(DeployError, match=f"the bucket {BUCKET} belongs to another account"):
            Artefacts(target, "desk").prepare()


def test_objects_are_named_by_their_digest(artefacts: Artefacts, s3: Any) -> None:
    assert artefacts.upload(b"hello", "functions", ".zip") == f"functions/{DIGEST}.zip"
    assert s3.get_object(Bucket=BUCKET, Key=f"functions/{DIGEST}.zip")["Body"].read() == b"hello"


def test_what_is_there_is_not_uploaded_again(artefacts: Artefacts, uploads: list[dict[str, Any]]) -> None:
    key = artefacts.upload(b"hello", "functions", ".zip")
    assert artefacts.upload(b"hello", "functions", ".zip") == key
    assert [call["Key"] for call in uploads] == [key]


def test_s3_checks_what_arrives(artefacts: Artefacts, uploads: list[dict[str, Any]]) -> None:
    artefacts.upload(b"hello", "functions", ".zip")
    assert uploads[0]["ChecksumSHA256"] == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
    assert uploads[0]["ExpectedBucketOwner"] == "123456789012"


def test_the_bucket_goes_with_all_versions(artefacts: Artefacts, s3: Any) -> None:
    key = artefacts.upload(b"hello", "functions", ".zip")
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"again")
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert artefacts.delete()
    assert s3.list_buckets()["Buckets"] == []
    assert not artefacts.delete(), "there is none any more"


def test_an_object_that_stays_is_told(
    artefacts: Artefacts, target: Target, stub: Callable[..., Stubber]
) -> None:
    with stub(target, "s3") as stubbed:
        versions = {"Versions": [{"Key": "a", "VersionId": "1"}], "IsTruncated": False}
        stubbed.add_response("head_bucket", {})
        stubbed.add_response("list_object_versions", versions)
        stubbed.add_response("delete_objects", {"Errors": [{"Key": "a", "Message": "Access Denied"}]})
        with pytest.raises(DeployError, match="a can't be deleted: Access Denied"):
            artefacts.delete()


@pytest.mark.parametrize(
    ("stack", "name"),
    [
        ("desk", "desk-artefacts-123456789012-eu-west-1"),
        ("Desk", "desk-210e51-artefacts-123456789012-eu-west-1"),
        ("d" * 40, f"{'d' * 23}-1074c3-artefacts-123456789012-eu-west-1"),
    ],
)
def test_every_stack_has_a_bucket_of_its_own(stack: str, name: str) -> None:
    assert bucket_name(stack, "123456789012", "eu-west-1") == name
    assert len(name) <= 63


def test_at_localstack_the_bucket_is_in_the_path(target: Target) -> None:
    local = replace(target, kind="localstack", endpoint="http://localhost:4566", _clients={})
    assert Artefacts(local, "desk").url("a.json") == f"http://localhost:4566/{BUCKET}/a.json"
