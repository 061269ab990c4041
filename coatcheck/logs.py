"""What a job's task printed, read piece by piece."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from coatcheck.connection import as_text
from coatcheck.errors import InvalidRequestError
from coatcheck.job import ENDED_STATUSES

CURSOR = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
"""The id of a stream's entry: two numbers of 64 bits, of which those of 20 digits never come."""
START = "0-0"
CHUNKS = 500
"""Most pieces in one answer."""


@dataclass(frozen=True, slots=True)
class LogPage:
    """A piece of a log. Ask again with ``after=next``; ``ended`` means that nothing more follows.

    ``cut`` tells that something before this piece, or in it, was dropped: of a log longer than
    ``COATCHECK_MAX_LOG`` the newest part is kept.
    """

    text: str
    next: str
    ended: bool
    cut: bool


def checked_cursor(after: str | None) -> str:
    """Where a page begins. Raises InvalidRequestError: the cursor is none that a page gave."""
    cursor = after or START
    if not CURSOR.fullmatch(cursor):
        raise InvalidRequestError("The cursor is none that a log gave: start again without 'after'.")
    return cursor


def log_page(
    cursor: str, status: bytes, entries: Sequence[tuple[bytes, Sequence[bytes]]], dropped: bytes
) -> LogPage:
    """A page from what ``log.lua`` answers: the job's status, the pieces that follow, the last dropped."""
    pieces = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in entries]
    return LogPage(
        text="".join(piece.get(b"t", b"").decode("utf-8", "replace") for piece in pieces),
        next=entries[-1][0].decode() if entries else cursor,
        ended=as_text(status) in ENDED_STATUSES and len(entries) < CHUNKS,
        cut=any(b"cut" in piece for piece in pieces) or _place(cursor) < _place(as_text(dropped)),
    )


def _place(entry: str) -> tuple[int, ...]:
    """Where a stream's entry stands among the others; what is none stands before all."""
    return tuple(map(int, entry.split("-"))) if CURSOR.fullmatch(entry) else ()
