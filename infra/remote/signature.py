"""Signs requests for API Gateway with AWS Signature Version 4, by botocore."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx

SERVICE = "execute-api"
SIGNED = ("content-type", "accept", "idempotency-key")
"""The headers that are signed beside those that have to be: no proxy on the way changes them."""


class Signature(httpx.Auth):
    """Takes boto3's session, whose credentials are renewed as it knows how, and the region."""

    requires_request_body = True

    def __init__(self, session: Any, region: str) -> None:
        self._session = session
        self._region = region

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the signature to a request."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        # AWS takes a space in the query for %20 when it checks the signature, httpx writes a plus sign.
        request.url = httpx.URL(str(request.url).replace("+", "%20"))
        headers = {name: value for name, value in request.headers.items() if name.lower() in SIGNED}
        signed = AWSRequest(request.method, str(request.url), headers, request.content or b"")
        credentials = self._session.get_credentials().get_frozen_credentials()
        SigV4Auth(credentials, SERVICE, self._region).add_auth(signed)
        for name, value in signed.headers.items():
            request.headers[name] = value
        yield request
