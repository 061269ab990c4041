"""What can go wrong on the way to AWS, with the exit status that each has.

DeployError is 2: nothing was changed. FailedError is 1: AWS tried, and failed. RefusedError is 3: it would
destroy data, or nobody said yes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from coatcheck.errors import CoatcheckError

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
INVALID = {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure"}
SIGN_IN = "sign in again ('aws sso login' or 'aws configure'), or name another profile with AWS_PROFILE"


class DeployError(CoatcheckError):
    """Something is missing or wrong; the message says what, and what to do about it."""

    status: ClassVar[int] = 2


class FailedError(DeployError):
    """CloudFormation could not do what was asked; the message begins with the resource that failed."""

    status = 1


class RefusedError(DeployError):
    """The tool won't do it unless it is told to: data is at stake, or nobody confirmed."""

    status = 3


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turns botocore's errors into one sentence. Raises DeployError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise DeployError(_sentence(error)) from error
    except BotoCoreError as error:
        raise DeployError(f"AWS can't be used: {str(error).rstrip('.')}") from error


def code(error: Exception) -> str:
    """The code of a ClientError, such as ``AccessDenied``."""
    response: dict[str, dict[str, str]] = getattr(error, "response", {})
    return response.get("Error", {}).get("Code", "")


def message(error: Exception) -> str:
    """What AWS said in a ClientError."""
    response: dict[str, dict[str, str]] = getattr(error, "response", {})
    return response.get("Error", {}).get("Message", "") or str(error)


def _sentence(error: Exception) -> str:
    if code(error) in EXPIRED:
        return f"the AWS credentials have expired; {SIGN_IN}"
    if code(error) in INVALID:
        return f"AWS doesn't accept these credentials ({code(error)}); {SIGN_IN}"
    operation = getattr(error, "operation_name", "the request")
    return f"AWS refused {operation} ({code(error)}): {message(error)}"
