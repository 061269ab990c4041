"""Reading the body of an HTTP/1.1 request from its connection (RFC 9112, sections 6 and 7)."""

from __future__ import annotations

import re
from email.message import Message
from typing import BinaryIO

from coatcheck.errors import InvalidRequestError, PayloadTooLargeError

LENGTH = re.compile(r"[0-9]{1,18}")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
MAX_LINE = 4096
"""Bytes that the line before a chunk, or a trailer, may have."""
MAX_TRAILERS = 100


def read_body(stream: BinaryIO, headers: Message, limit: int) -> bytes:
    """The whole body; empty when the request has none.

    Takes the connection after the headers, the headers, and the most bytes that a body may have.

    Raises PayloadTooLargeError (before it reads more than ``limit``), InvalidRequestError. After
    either, the connection holds what was not read, so it can't take another request.
    """
    codings = headers.get_all("transfer-encoding")
    if codings is None:
        length = declared_length(headers)
        if length > limit:
            raise _too_large(limit)
        return _exactly(stream, length)
    if "content-length" in headers:
        # Two lengths are how requests are smuggled past a proxy.
        raise InvalidRequestError("The request has both Content-Length and Transfer-Encoding.")
    if [coding.strip().lower() for coding in codings] != ["chunked"]:
        raise InvalidRequestError("The only Transfer-Encoding that is taken is 'chunked'.")
    return _chunks(stream, limit)


def declared_length(headers: Message) -> int:
    """The value of Content-Length, 0 if there is none. Raises InvalidRequestError."""
    lengths = {text.strip() for text in headers.get_all("content-length", ["0"])}
    if len(lengths) != 1 or not LENGTH.fullmatch(text := lengths.pop()):
        raise InvalidRequestError("Content-Length should be one whole number.")
    return int(text)


def _chunks(stream: BinaryIO, limit: int) -> bytes:
    body = bytearray()
    while size := _chunk_size(stream):
        if len(body) + size > limit:
            raise _too_large(limit)
        body += _exactly(stream, size)
        if _line(stream):
            raise InvalidRequestError("A chunk of the body is longer than it says.")
    for _ in range(MAX_TRAILERS):
        if not _line(stream):
            return bytes(body)
    raise InvalidRequestError("The body has too many trailers.")


def _chunk_size(stream: BinaryIO) -> int:
    size = _line(stream).partition(b";")[0].strip()
    if not CHUNK_SIZE.fullmatch(size):
        raise InvalidRequestError("The body is not in chunks, as Transfer-Encoding says.")
    return int(size, 16)


def _line(stream: BinaryIO) -> bytes:
    """The next line, without its end."""
    line = stream.readline(MAX_LINE)
    if not line.endswith(b"\n"):
        raise InvalidRequestError("The body ended early, or has too long a line between its chunks.")
    return line.rstrip(b"\r\n")


def _exactly(stream: BinaryIO, length: int) -> bytes:
    data = stream.read(length)
    if len(data) < length:
        raise InvalidRequestError("The connection ended before the body did.")
    return data


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The body has more than the {limit} bytes that are taken.")
