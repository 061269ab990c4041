"""Secrets that are kept outside of the settings: in a file, or in AWS Secrets Manager."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from coatcheck.errors import SecretError

LARGEST = 65_536
"""Bytes that Secrets Manager keeps, and more than any of ours has."""


def read_secret(place: str, client: Any = None) -> str:
    """The text at a path or an ARN. Takes a client of Secrets Manager, for tests.

    Raises SecretError: it can't be read, or others may read the file too.
    """
    if place.startswith("arn:"):
        return _from_aws(place, client)
    path = Path(place)
    try:
        if path.stat().st_mode & 0o077:
            raise SecretError(f"{path} may be read by others: chmod 600 {path}")
        with path.open("rb") as file:
            return file.read(LARGEST).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretError(f"{path} can't be read ({type(error).__name__})") from None


def write_private(path: Path, text: str) -> None:
    """Write a file that only its user may read, whole or not at all. Raises OSError: no folder, for one."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a crash may leave the new name without the text
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _from_aws(arn: str, client: Any) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    from coatcheck.secrets_manager import open_client

    try:
        answer = (client or open_client(arn)).get_secret_value(SecretId=arn)
    except (BotoCoreError, ClientError) as error:
        raise SecretError(f"{arn} can't be read ({type(error).__name__})") from None
    return str(answer["SecretString"])
