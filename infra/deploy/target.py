"""Where to deploy: AWS or LocalStack, with the region, the credentials and the clients."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from infra.deploy.errors import SIGN_IN, DeployError

LOCALSTACK_URL = "http://localhost:4566"
"""Where LocalStack answers, unless AWS_ENDPOINT_URL says otherwise."""
LOCALSTACK_REGION = "us-east-1"

Kind = Literal["aws", "localstack"]


@dataclass(frozen=True)
class Target:
    """An account and a region of AWS, or LocalStack.

    ``delay`` is the seconds between two looks at something that takes a while. ``endpoint`` is
    LocalStack's URL, None on AWS.
    """

    kind: Kind
    region: str
    account: str
    session: Any
    endpoint: str | None = None
    delay: float = 2.0
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    def client(self, service: str) -> Any:
        """boto3's client of a service, the same one each time."""
        if service not in self._clients:
            self._clients[service] = _client(self.session, service, self.region, self.endpoint)
        return self._clients[service]

    @property
    def title(self) -> str:
        """For people: which account and region, or which LocalStack."""
        if self.kind == "localstack":
            return f"LocalStack at {self.endpoint}"
        return f"AWS account {self.account}, region {self.region}"

    @property
    def partition(self) -> str:
        """The first part of ARNs after ``arn:``, such as ``aws`` or ``aws-cn``."""
        partition: str = self.session.get_partition_for_region(self.region)
        return partition

    def waiter(self, minutes: float = 10) -> dict[str, int | float]:
        """boto3's ``WaiterConfig``: its own default looks only every 30 s."""
        return {"Delay": self.delay, "MaxAttempts": max(1, int(minutes * 60 / max(self.delay, 0.01)))}


def open_target(
    kind: Kind,
    environ: Mapping[str, str],
    region: str | None = None,
    session: Callable[..., Any] | None = None,
) -> Target:
    """Find the region and the credentials, and prove that they work.

    Takes the kind, the environment, a region that goes before the environment's, and what makes a
    session (default: ``boto3.Session``).

    Raises DeployError: one sentence that says what is missing.
    """
    if session is None:
        from boto3 import Session

        session = Session
    region = region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if kind == "localstack":
        return _localstack(environ, region, session)
    opened = session(region_name=region)
    if not opened.region_name:
        raise DeployError("no AWS region is set; name one: --region eu-west-1, or AWS_REGION")
    if opened.get_credentials() is None:
        raise DeployError(f"no AWS credentials were found; {SIGN_IN}")
    account = _client(opened, "sts", opened.region_name, None).get_caller_identity()["Account"]
    return Target("aws", opened.region_name, account, opened)


def _localstack(environ: Mapping[str, str], region: str | None, session: Callable[..., Any]) -> Target:
    endpoint = environ.get("AWS_ENDPOINT_URL") or LOCALSTACK_URL
    _check_localstack(endpoint)
    # Never the user's own keys: whatever answers at that URL would get requests signed with them.
    opened = session(
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106
        region_name=region or LOCALSTACK_REGION,
    )
    account = _client(opened, "sts", opened.region_name, endpoint).get_caller_identity()["Account"]
    return Target("localstack", opened.region_name, account, opened, endpoint.rstrip("/"), delay=0.5)


def _check_localstack(endpoint: str) -> None:
    if not endpoint.startswith(("http://", "https://")):
        raise DeployError(f"AWS_ENDPOINT_URL={endpoint!r} is not a URL")
    try:
        with urllib.request.urlopen(f"{endpoint.rstrip('/')}/_localstack/health", timeout=5):  # noqa: S310
            return
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DeployError(
            f"LocalStack doesn't answer at {endpoint} ({reason}); start it"
            " ('docker compose -f localstack-compose.yml up -d'), or name its URL with AWS_ENDPOINT_URL"
        ) from error


def _client(session: Any, service: str, region: str, endpoint: str | None) -> Any:
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        retries={"mode": "standard", "total_max_attempts": 5},
        user_agent_extra="coatcheck",
        s3={"addressing_style": "path"} if endpoint else None,
    )
    return session.client(service, region_name=region, endpoint_url=endpoint, config=config)
