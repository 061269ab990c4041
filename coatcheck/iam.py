"""Logs in to ElastiCache with the process' IAM identity instead of a password.

The password is a request that only the holder of the identity's keys could sign: a presigned
``GET https://<cache>/?Action=connect&User=<user>`` without its scheme, valid for 15 minutes (ElastiCache
user guide, "Authenticating with IAM"). ElastiCache wants it over TLS only, and looks at it when a
connection opens, so every new connection gets a password that is still fresh.

Imported only where IAM is used: it needs botocore, which Lambda and the worker image have.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from redis.credentials import CredentialProvider

LIFETIME = 900
"""Seconds for which ElastiCache accepts a password."""
MARGIN = 300
"""Seconds before that end at which a new one is made."""


class IAMCredentialProvider(CredentialProvider):
    """Gives redis-py the user and a fresh password for each new connection.

    Takes the user's name, the cache's name (the replication group's id, not its endpoint; both in lower
    case) and the region; ``session`` (botocore's) and ``clock`` (seconds) are for tests.
    """

    def __init__(
        self,
        user: str,
        cache: str,
        region: str,
        *,
        session: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._user = user
        self._cache = cache
        self._region = region
        self._session = session
        self._clock = clock
        self._lock = threading.Lock()
        self._password = ""
        self._expires = 0.0

    def get_credentials(self) -> tuple[str, str]:
        """The user and the password. Signing needs no network, unless the identity's keys must be renewed."""
        with self._lock:
            if self._clock() >= self._expires - MARGIN:
                self._password = self._sign()
                self._expires = self._clock() + LIFETIME
            return self._user, self._password

    def _sign(self) -> str:
        from botocore.model import ServiceId
        from botocore.session import get_session
        from botocore.signers import RequestSigner

        session = self._session or get_session()
        signer = RequestSigner(
            ServiceId("elasticache"),
            self._region,
            "elasticache",
            "v4",
            session.get_credentials(),
            session.get_component("event_emitter"),
        )
        request = {
            "method": "GET",
            "url": f"https://{self._cache}/?Action=connect&User={self._user}",
            "body": {},
            "headers": {},
            "context": {},
        }
        url: str = signer.generate_presigned_url(
            request, operation_name="connect", expires_in=LIFETIME, region_name=self._region
        )
        return url.removeprefix("https://")
