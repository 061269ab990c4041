"""The bucket from which CloudFormation takes the function package and the template."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from infra.deploy.errors import DeployError, code
from infra.deploy.target import Target

LONGEST = 63
"""Characters that the name of a bucket may have."""
MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NotFound"}
TEMPLATE_DAYS = 30
"""How long templates are kept: CloudFormation copies what it uses."""


class Artefacts:
    """The private bucket of one stack.

    Objects are named by what they contain, so nothing is uploaded twice and what a roll-back needs is
    still there. Every request names the bucket's owner: whoever took the name first in another account
    gets nothing.

    Takes the target and the stack's name.
    """

    def __init__(self, target: Target, stack: str) -> None:
        self.bucket = bucket_name(stack, target.account, target.region)
        self._target = target
        self._stack = stack
        self._client = target.client("s3")
        self._address = {"Bucket": self.bucket, "ExpectedBucketOwner": target.account}

    def prepare(self) -> None:
        """Make the bucket if it isn't there, and give it the settings that it should have."""
        if not self.exists():
            options: dict[str, Any] = {}
            if self._target.region != "us-east-1":  # S3 refuses this one as a location
                options["CreateBucketConfiguration"] = {"LocationConstraint": self._target.region}
            self._client.create_bucket(Bucket=self.bucket, ObjectOwnership="BucketOwnerEnforced", **options)
            self._client.get_waiter("bucket_exists").wait(
                **self._address, WaiterConfig=self._target.waiter(1)
            )
        self._client.put_public_access_block(
            **self._address,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self._client.put_bucket_encryption(
            **self._address, ServerSideEncryptionConfiguration={"Rules": [_ENCRYPTION]}
        )
        self._client.put_bucket_versioning(**self._address, VersioningConfiguration={"Status": "Enabled"})
        self._client.put_bucket_policy(**self._address, Policy=json.dumps(self._policy()))
        self._client.put_bucket_lifecycle_configuration(
            **self._address, LifecycleConfiguration={"Rules": _LIFECYCLE}
        )
        self._client.put_bucket_tagging(
            **self._address, Tagging={"TagSet": [{"Key": "coatcheck:stack", "Value": self._stack}]}
        )

    def exists(self) -> bool:
        """Whether the bucket is there. Raises DeployError when somebody else has it."""
        try:
            self._client.head_bucket(**self._address)
        except self._client.exceptions.ClientError as error:
            if code(error) in MISSING:
                return False
            if code(error) == "403":
                raise DeployError(
                    f"the bucket {self.bucket} belongs to another account, or this identity may not use it"
                ) from error
            raise
        return True

    def upload(self, data: bytes, folder: str, suffix: str) -> str:
        """Put bytes into the bucket, unless they are there. Returns their key, made of their digest."""
        digest = hashlib.sha256(data)
        key = f"{folder}/{digest.hexdigest()}{suffix}"
        if not self.has(key):
            self._client.put_object(
                **self._address,
                Key=key,
                Body=data,
                ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            )
        return key

    def has(self, key: str) -> bool:
        """Whether an object is in the bucket."""
        try:
            self._client.head_object(**self._address, Key=key)
        except self._client.exceptions.ClientError as error:
            if code(error) in MISSING:
                return False
            raise
        return True

    def url(self, key: str) -> str:
        """An object's address, as CloudFormation takes it for a template."""
        endpoint = self._client.meta.endpoint_url
        if not endpoint.startswith("https://s3."):  # not AWS
            return f"{endpoint}/{self.bucket}/{key}"
        return f"https://{self.bucket}.{endpoint.removeprefix('https://')}/{key}"

    def delete(self) -> bool:
        """Delete the bucket with all versions of all objects. Returns whether there was one."""
        if not self.exists():
            return False
        pages = self._client.get_paginator("list_object_versions").paginate(**self._address)
        for page in pages:
            versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            objects = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in versions]
            if objects:
                answer = self._client.delete_objects(
                    **self._address, Delete={"Objects": objects, "Quiet": True}
                )
                if failed := answer.get("Errors"):
                    raise DeployError(f"{failed[0]['Key']} can't be deleted: {failed[0]['Message']}")
        self._client.delete_bucket(**self._address)
        return True

    def _policy(self) -> dict[str, Any]:
        """Nothing without TLS."""
        arn = f"arn:{self._target.partition}:s3:::{self.bucket}"
        statement = {
            "Sid": "OnlyTLS",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}


def bucket_name(stack: str, account: str, region: str) -> str:
    """The name of a stack's bucket: one per stack, account and region, whatever the stack's name."""
    tail = f"-artefacts-{account}-{region}"
    head = stack.lower()
    # Names of stacks are told apart by case, those of buckets are not.
    if head != stack or len(head) + len(tail) > LONGEST:
        mark = hashlib.sha256(stack.encode()).hexdigest()[:6]
        head = f"{head[: LONGEST - len(tail) - 7]}-{mark}"
    return head + tail


_ENCRYPTION = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
_LIFECYCLE = [
    {
        "ID": "unfinished-uploads-and-old-versions",
        "Status": "Enabled",
        "Filter": {},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    },
    {
        "ID": "templates",
        "Status": "Enabled",
        "Filter": {"Prefix": "templates/"},
        "Expiration": {"Days": TEMPLATE_DAYS},
    },
]
