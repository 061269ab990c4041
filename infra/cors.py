"""What lets pages of other origins read what the local server answers without the app."""

from __future__ import annotations

from collections.abc import Collection
from email.message import Message


def for_pages(headers: Message | None, origins: Collection[str], exposed: str) -> dict[str, str]:
    """The headers for an answer.

    Takes those of the request (None: it could not be read), the origins whose pages may use the API, and
    which headers of the answer they may read.
    """
    if not origins:
        return {}
    # Also to others: a cache must not give the answer for one page to another.
    varies = {"Vary": "Origin"}
    origin = "" if headers is None else headers.get("origin", "")
    if origin not in origins:
        return varies
    return varies | {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": exposed}
