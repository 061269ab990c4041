"""The secret that callbacks are signed with, and the signature: Standard Webhooks (standardwebhooks.com).

What is kept is one master secret, or two while it is renewed. Each owner of jobs has a secret of their own,
derived from it, so that nobody who receives callbacks can forge one for another receiver.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coatcheck.errors import SecretError
from coatcheck.secret_text import read_secret, write_private

PREFIX = "whsec_"
SIZE = 32
"""Bytes of a new secret; the standard asks for 24 to 64."""
SMALLEST = 24
MASTERS = 2
"""Master secrets that are kept at a time: the new one and the last one. A callback is signed with both."""


def new_master() -> str:
    """A new master secret, as it is kept."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SIZE)).decode()


def parse(text: str) -> tuple[bytes, ...]:
    """The master secrets of a text with one on each line, the newest first. Raises SecretError."""
    masters = []
    for line in text.split():
        try:
            master = base64.b64decode(line.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            raise SecretError("the callbacks' secret is not base64") from None
        if len(master) < SMALLEST:
            raise SecretError(f"the callbacks' secret has less than {SMALLEST} bytes")
        masters.append(master)
    if not masters:
        raise SecretError("there is no secret to sign callbacks with")
    return tuple(masters)


def secret_of(master: bytes, owner: str) -> str:
    """The secret of one owner's callbacks, as receivers get it: ``whsec_`` and base64."""
    derived = hmac.digest(master, b"coatcheck callbacks of " + owner.encode(), hashlib.sha256)
    return PREFIX + base64.b64encode(derived).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The signature of a message: ``v1,`` and base64 of the HMAC-SHA256. ``timestamp`` is in seconds."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(
    masters: Sequence[bytes], owner: str, message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """The three headers of a message, with a signature for each master secret."""
    signatures = [signature(secret_of(master, owner), message_id, timestamp, body) for master in masters]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def read(place: str, client: Any = None) -> tuple[bytes, ...]:
    """The master secrets at a path or an ARN, the newest first. Takes a client of Secrets Manager, for tests.

    Raises SecretError: also when others may read the file.
    """
    return parse(read_secret(place, client))


def keep(path: Path, masters: Sequence[str]) -> None:
    """Write a file with master secrets that only its owner may read. Raises SecretError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, "".join(f"{master}\n" for master in masters))
    except OSError as error:
        raise SecretError(f"{path} can't be written: {error.strerror}") from None
