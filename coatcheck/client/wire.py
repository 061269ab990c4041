"""Requests and answers as values: what is asked, apart from who carries it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import PurePath
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

from coatcheck.client.files.reference import KEY, FileReference
from coatcheck.errors import SettingsError

MAX_RETRY_AFTER = 300.0
"""Longest ``Retry-After`` that is believed, in seconds."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``path`` is below the API's URL, percent-encoded.

    ``repeatable``: sending it twice does what sending it once does. ``patience``: seconds that its answer
    may take beyond what any may.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class Put:
    """A piece of a file, sent to the store by its link.

    What goes to a store has the link's own headers and none of ours: the token is for the API only.
    ``chunks`` reads the piece, once for each time that it is sent.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    size: int
    chunks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Open:
    """A file, asked of the store by its link. The answer's ``stream`` is what ``More`` and ``Close`` take."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class More:
    """The next bytes of a file that was opened: the answer's body, empty at the end."""

    stream: Any


@dataclass(frozen=True, slots=True)
class Close:
    """No more of it is wanted."""

    stream: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One response. The names of the headers are lower-case; ``stream``: more of the body is to come."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    stream: Any = None

    @property
    def succeeded(self) -> bool:
        """Whether the status is one of success (RFC 9110, section 15.3)."""
        return 200 <= self.status < 300

    @property
    def document(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any] | None:
        """The problem document, None if it is none (RFC 9457)."""
        if not self.headers.get("content-type", "").startswith("application/problem+json"):
            return None
        try:
            document = self.document
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    @property
    def retry_after(self) -> float | None:
        """Seconds of ``Retry-After``, which may be a date too (RFC 9110, section 10.2.3)."""
        text = self.headers.get("retry-after", "").strip()
        try:
            seconds = float(text) if text.isascii() and text.isdigit() else _seconds_until(text)
        except (TypeError, ValueError):
            return None
        return min(max(0.0, seconds), MAX_RETRY_AFTER)


def _seconds_until(http_date: str) -> float:
    moment = parsedate_to_datetime(http_date)
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()


def path(*segments: str) -> str:
    """A path of segments that may hold any character."""
    return "".join("/" + quote(segment, safe="") for segment in segments)


def checked_url(url: str) -> str:
    """The API's URL without a slash at its end; it may have a stage's prefix. Raises SettingsError."""
    try:
        parts = urlsplit(url)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment
        _ = parts.port
    except ValueError:
        wrong = True
    if wrong:
        raise SettingsError(f"{url!r} is not the URL of an API, such as https://example.com/api")
    return url.rstrip("/")


def encode(document: Any) -> bytes:
    """A document as JSON.

    Takes beside JSON's own types what tasks take: dates, UUIDs, decimals, enums, paths, sets, dataclasses,
    pydantic models and files that were uploaded. Raises TypeError, and ValueError for NaN and infinity.
    """
    return json.dumps(document, default=_plain, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, FileReference):
        return {KEY: value.id}
    if isinstance(value, UUID | Decimal | PurePath):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if callable(dump := getattr(value, "model_dump", None)):  # pydantic's, which needs not be installed
        return dump(mode="json", by_alias=True)
    raise TypeError(f"{type(value).__name__} can't be written as JSON: {value!r}")
