"""Takes and sends the files of a folder over the local server, a piece at a time, by links that it signed.

What comes here never becomes part of the page: a file is to be saved, and what a browser shows of it all the
same may run nothing.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from coatcheck.errors import InvalidRequestError, RangeNotSatisfiableError
from coatcheck.files.folder import PATH, FolderStore
from infra.body import declared_length
from infra.cors import for_pages

if TYPE_CHECKING:
    from infra.server import ApiRequestHandler

RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
METHODS = ["GET", "HEAD", "PUT"]
EXPOSED = "Content-Disposition, Content-Range, ETag"
"""Headers that pages of an allowed origin may read, beside those that any may."""
GUARDED = {
    "Cache-Control": "private",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What browsers are told of every file: nothing in it is to run, whatever it says that it is."""
UNSAFE = re.compile(r"[^ !#$&+.0-9A-Z^_`a-z|~()\[\]{},;=@-]")

log = logging.getLogger("coatcheck.api")


class FileRoutes:
    """Takes the store."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store

    @staticmethod
    def has(path: str) -> bool:
        """Whether a path is one of these."""
        return path.startswith(PATH)

    def answer(self, request: ApiRequestHandler) -> None:
        """Answer one request. Raises ProblemError: nothing was answered yet."""
        if request.command == "PUT":
            self._receive(request)
        elif request.command in ("GET", "HEAD"):
            self._send(request)
        elif request.command == "OPTIONS" and _allows(request):
            asked = {
                "Access-Control-Allow-Methods": ", ".join(METHODS),
                "Access-Control-Allow-Headers": "content-type, range, if-range",
                "Access-Control-Max-Age": "600",
            }
            _head(request, HTTPStatus.NO_CONTENT, asked | _cors(request))
        else:
            request.refuse_method(METHODS)

    def _receive(self, request: ApiRequestHandler) -> None:
        if "transfer-encoding" in request.headers or "content-length" not in request.headers:
            raise InvalidRequestError("A part of a file needs a Content-Length, and no Transfer-Encoding.")
        length = declared_length(request.headers)
        self._store.receive(request.path, request.rfile, length, request.headers.get("content-type", ""))
        _head(request, HTTPStatus.OK, {"Content-Length": "0", **_cors(request)})

    def _send(self, request: ApiRequestHandler) -> None:
        file, name, kind = self._store.find(request.path)
        with file:
            size = os.fstat(file.fileno()).st_size
            etag = f'"{hashlib.sha256(request.path.partition("?")[0].encode()).hexdigest()[:32]}"'
            headers = {
                **GUARDED,
                "Content-Type": kind,
                "Content-Disposition": disposition(name),
                "Accept-Ranges": "bytes",
                "ETag": etag,
                **_cors(request),
            }
            if _known(request, etag):
                _head(request, HTTPStatus.NOT_MODIFIED, headers)
                return
            start, end = _range(_wanted(request, etag), size)
            headers["Content-Length"] = str(end - start)
            if (start, end) != (0, size):
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
                _head(request, HTTPStatus.PARTIAL_CONTENT, headers)
            else:
                _head(request, HTTPStatus.OK, headers)
            if request.command == "GET":
                _copy(request, file, start, end - start)


def disposition(name: str) -> str:
    """The header by which a browser saves a file under its name (RFC 6266)."""
    plain = UNSAFE.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _allows(request: ApiRequestHandler) -> bool:
    return request.headers.get("origin", "") in request.server.origins


def _cors(request: ApiRequestHandler) -> dict[str, str]:
    """What the page of an allowed origin needs to be let; and that the answer depends on whose it is."""
    known = for_pages(request.headers, request.server.origins, EXPOSED)
    return known | {"Cross-Origin-Resource-Policy": "cross-origin"} if _allows(request) else known


def _known(request: ApiRequestHandler, etag: str) -> bool:
    """Whether the client has the file already (RFC 9110, section 13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return not tags.isdisjoint({etag, "*"})


def _wanted(request: ApiRequestHandler, etag: str) -> str:
    """The range that is asked for, empty: none. Only GET has one, and one of another file is none."""
    same = request.headers.get("if-range", etag) == etag
    return str(request.headers.get("range", "")) if same and request.command == "GET" else ""


def _range(text: str, size: int) -> tuple[int, int]:
    """The first byte that is wanted, and the one after the last (RFC 9110, section 14).

    More than one range, or what is none, is answered with the whole file. Raises RangeNotSatisfiableError.
    """
    match = RANGE.fullmatch(text.replace(" ", ""))
    if match is None or match[0] == "bytes=-" or (match[1] and match[2] and int(match[1]) > int(match[2])):
        return 0, size
    first = int(match[1]) if match[1] else max(0, size - int(match[2]))
    last = min(int(match[2]), size - 1) if match[1] and match[2] else size - 1
    if first > last:
        raise RangeNotSatisfiableError(
            f"The file has {size} bytes, and none of those that were asked for.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return first, last + 1


def _head(request: ApiRequestHandler, status: HTTPStatus, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_connection()
    request.end_headers()
    request.log_access(status)


def _copy(request: ApiRequestHandler, file: BinaryIO, start: int, count: int) -> None:
    """Send bytes of a file straight from the disk."""
    request.wfile.flush()
    if count:
        request.connection.sendfile(file, start, count)
