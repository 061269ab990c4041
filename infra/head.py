"""The header lines of an HTTP/1.1 request, as they may be (RFC 9112, section 5).

Python's own parser leaves out what follows a line that is none, and takes a lone CR for the end of one. So
two servers that read the same bytes would see other requests in them, with another Host or another length.
"""

from __future__ import annotations

import re
from email.message import Message
from typing import BinaryIO

LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r\n]*\r?\n|\r?\n")
"""A header, or the empty line behind the last one. No space before the colon, no line that goes on."""


class HeaderLines:
    """A connection whose lines are looked at while somebody reads them. Takes the connection."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._malformed = False

    def readline(self, limit: int = -1, /) -> bytes:
        """The next line, or as much of it."""
        line = self._stream.readline(limit)
        if not LINE.fullmatch(line):
            self._malformed = True
        return line

    def fault(self, headers: Message, version: str) -> str | None:
        """What is wrong with the head of a request; None: nothing. Takes what was made of the lines."""
        if self._malformed:
            return "a header is not 'name: value'"
        hosts = len(headers.get_all("host", ()))
        if hosts > 1 or (not hosts and version != "HTTP/1.0"):
            return f"it has {hosts or 'no'} Host headers, and should have one"
        return None
