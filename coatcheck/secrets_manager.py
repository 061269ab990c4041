"""The client of AWS Secrets Manager."""

from __future__ import annotations

from typing import Any


def open_client(arn: str) -> Any:
    """A client for the region of a secret: botocore's, since boto3's would only take longer to import."""
    from botocore.config import Config
    from botocore.session import get_session

    config = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
    return get_session().create_client("secretsmanager", region_name=arn.split(":")[3], config=config)
