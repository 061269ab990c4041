"""Links of S3: requests that are signed beforehand, in their address (AWS Signature Version 4).

Written out since a job's document has such links: importing botocore and reading its description of S3 would
cost a cold start more than all else, and botocore signs for the present moment only, so that the same
document would have another link each time it is asked for.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Keys:
    """What an identity signs with; ``token`` belongs to keys that end, such as a role's."""

    id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def presign(
    method: str,
    origin: str,
    path: str,
    keys: Keys,
    region: str,
    *,
    at: float,
    seconds: int,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> str:
    """An address that lets whoever has it make one request, and no other.

    Takes the method, scheme and host, the path as it is before it is encoded, the keys, the bucket's region,
    the time of signing, for how many seconds from then on it is good, what else the query has, and headers
    that the request must have, exactly as they are here.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    signed = {name.lower(): value for name, value in (headers or {}).items()}
    signed["host"] = origin.partition("://")[2]
    names = ";".join(sorted(signed))
    parameters = {
        **(query or {}),
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{keys.id}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": names,
    }
    if keys.token:
        parameters["X-Amz-Security-Token"] = keys.token
    path = quote(path, safe="/~")
    asked = "&".join(f"{_quoted(name)}={_quoted(parameters[name])}" for name in sorted(parameters))
    lines = "".join(f"{name}:{signed[name].strip()}\n" for name in sorted(signed))
    request = "\n".join([method, path, asked, lines, names, "UNSIGNED-PAYLOAD"])
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = b"AWS4" + keys.secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, "\n".join([ALGORITHM, stamp, scope, digest]).encode(), "sha256").hex()
    return f"{origin}{path}?{asked}&X-Amz-Signature={signature}"


def _quoted(text: str) -> str:
    return quote(text, safe="~")
