"""Links that a store of ours signs: for one method, one file, these parameters, until a time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode

from coatcheck.errors import ExpiredLinkError, InvalidLinkError

CHANGED = "The link is not one that this API gave: it was changed, or is for something else."
EXPIRED = "The link is too old: ask for the job or the upload again, which gives a new one."


class Links:
    """Signs links, and checks them. Takes the path that all start with, and what reads the secret."""

    def __init__(self, path: str, secret: Callable[[], bytes]) -> None:
        self._path = path
        self._secret = secret

    def sign(self, method: str, key: str, until: int, **parameters: str) -> str:
        """A link to a key for a method, which dies at ``until``, in seconds since 1970."""
        query = {**parameters, "expires": str(until)}
        signature = self._signature(method, key, query)
        return f"{self._path}{quote(key)}?{urlencode({**query, 'signature': signature})}"

    def check(self, method: str, link: str, now: float) -> tuple[str, dict[str, str]]:
        """The key and the parameters of a link. Takes its path and query as they came.

        Raises InvalidLinkError, ExpiredLinkError.
        """
        path, _, text = link.partition("?")
        pairs = parse_qsl(text, keep_blank_values=True)
        query = dict(pairs)
        signature = query.pop("signature", "")
        key = unquote(path).removeprefix(self._path)
        right = self._signature(method, key, query).encode()
        if len(pairs) != len(query) + 1 or not hmac.compare_digest(signature.encode(), right):
            raise InvalidLinkError(CHANGED)
        if now >= int(query.pop("expires")):
            raise ExpiredLinkError(EXPIRED)
        return key, query

    def _signature(self, method: str, key: str, query: Mapping[str, str]) -> str:
        parts = [method, key, *(part for name in sorted(query) for part in (name, query[name]))]
        message = b"".join(b"%d:%s," % (len(part.encode()), part.encode()) for part in parts)
        return hmac.digest(self._secret(), b"coatcheck link v1," + message, hashlib.sha256).hex()
