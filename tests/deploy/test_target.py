"""Where to deploy: region and credentials are found, or their lack is told in one sentence."""

from __future__ import annotations

from typing import Any

import boto3
import botocore.awsrequest
import pytest

from infra.deploy.errors import DeployError, aws_errors
from infra.deploy.target import open_target
from tests.deploy.servers import localstack_like
from tests.support.ports import free_port


@pytest.mark.parametrize(
    ("environ", "region", "expected"),
    [
        ({"AWS_REGION": "eu-west-1"}, None, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, None, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, None, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1"}, "eu-north-1", "eu-north-1"),
    ],
)
def test_the_region_is_taken_from_where_aws_tools_take_it(
    aws: boto3.Session, environ: dict[str, str], region: str | None, expected: str
) -> None:
    target = open_target("aws", environ, region)
    assert target.region == expected
    assert target.account == "123456789012"
    assert target.title == f"AWS account 123456789012, region {expected}"


def test_a_missing_region_is_told(aws: boto3.Session) -> None:
    with pytest.raises(
        DeployError, match=r"^no AWS region is set; name one: --region eu-west-1, or AWS_REGION$"
    ):
        open_target("aws", {})


def test_missing_credentials_are_told(environ: None) -> None:
    with pytest.raises(DeployError) as caught:
        open_target("aws", {"AWS_REGION": "eu-west-1"})
    assert str(caught.value) == (
        "no AWS credentials were found; sign in again ('aws sso login' or 'aws configure'),"
        " or name another profile with AWS_PROFILE"
    )
    assert caught.value.status == 2


def test_an_unknown_profile_is_told(environ: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(DeployError, match=r"AWS can't be used: .*nobody.* could not be found"), aws_errors():
        open_target("aws", {"AWS_REGION": "eu-west-1"})


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ExpiredToken", "the AWS credentials have expired; sign in again"),
        (
            "InvalidClientTokenId",
            "AWS doesn't accept these credentials (InvalidClientTokenId); sign in again",
        ),
        ("AccessDenied", "AWS refused GetCallerIdentity (AccessDenied): as you like"),
    ],
)
def test_credentials_that_do_not_work_are_told(aws: boto3.Session, code: str, sentence: str) -> None:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>as you like</Message></Error></ErrorResponse>"

    def session(**options: Any) -> boto3.Session:
        made = boto3.Session(**options)
        made.events.register_first("before-send.sts.GetCallerIdentity", lambda **_: Refusal(body))
        return made

    with pytest.raises(DeployError) as caught, aws_errors():
        open_target("aws", {"AWS_REGION": "eu-west-1"}, session=session)
    assert str(caught.value).startswith(sentence)


class Refusal(botocore.awsrequest.AWSResponse):  # type: ignore[misc]
    """An answer of AWS that says no."""

    def __init__(self, body: str) -> None:
        super().__init__("https://sts.amazonaws.com", 403, {}, None)
        self._content = body.encode()


def test_localstack_is_found_and_gets_no_real_credentials(aws: boto3.Session) -> None:
    with localstack_like() as (url, signed):
        target = open_target("localstack", {"AWS_ENDPOINT_URL": f"{url}/"})
    assert (target.kind, target.endpoint, target.region) == ("localstack", url, "us-east-1")
    assert target.title == f"LocalStack at {url}"
    assert target.account == "000000000000"
    assert all("Credential=test/" in header for header in signed) and signed


def test_localstack_that_does_not_answer_is_told_with_what_to_do(environ: None) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(DeployError) as caught:
        open_target("localstack", {"AWS_ENDPOINT_URL": url})
    assert str(caught.value).startswith(f"LocalStack doesn't answer at {url} (")
    assert "docker compose -f localstack-compose.yml up -d" in str(caught.value)


def test_an_endpoint_that_is_no_url_is_told(environ: None) -> None:
    with pytest.raises(DeployError, match="AWS_ENDPOINT_URL='localhost:4566' is not a URL"):
        open_target("localstack", {"AWS_ENDPOINT_URL": "localhost:4566"})


def test_waiters_look_often(aws: boto3.Session) -> None:
    target = open_target("aws", {"AWS_REGION": "eu-west-1"})
    assert target.waiter(minutes=10) == {"Delay": 2.0, "MaxAttempts": 300}
