"""What is uploaded: a path, an open file or bytes, read piece by piece."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, BinaryIO, TypeAlias

from coatcheck.client.errors import TransferError
from coatcheck.client.files.reference import FileReference

Uploadable: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""What ``upload`` takes; a text is a path."""

CHUNK = 256 * 1024
"""Bytes that are read and sent at a time."""
UNKNOWN = "application/octet-stream"
"""The type of what has none."""


class Source:
    """Something to upload. Takes a path, a file opened in binary mode (from where it stands) or bytes.

    ``name`` and ``type`` instead of its own. Raises OSError, TypeError: it can't be read, or is text.
    """

    def __init__(self, what: Uploadable, name: str | None = None, type: str | None = None) -> None:  # noqa: A002
        self._file = _opened(what)
        self._owned = self._file is not what
        self._begin = self._file.tell()
        self.size = self._file.seek(0, io.SEEK_END) - self._begin
        self.name = name or _name(what)
        self.type = type or mimetypes.guess_type(self.name)[0] or UNKNOWN
        self.sha256 = ""

    def measure(self) -> None:
        """Read all of it, for ``sha256``."""
        digest = hashlib.sha256()
        for chunk in self.chunks(0, self.size):
            digest.update(chunk)
        self.sha256 = digest.hexdigest()

    def chunks(self, offset: int, size: int) -> Iterator[bytes]:
        """That many bytes from there on, in pieces. Raises TransferError: the file is shorter by now."""
        self._file.seek(self._begin + offset)
        while size:
            chunk = self._file.read(min(CHUNK, size))
            if not chunk:
                raise TransferError(f"{self.name} has become shorter while it was read")
            size -= len(chunk)
            yield chunk

    def close(self) -> None:
        """Close what was opened here."""
        if self._owned:
            self._file.close()


def is_source(value: Any) -> bool:
    """Whether an argument is something to upload: a path, an open file or bytes."""
    if isinstance(value, FileReference):  # which may be read too, but is where it should be
        return False
    return isinstance(value, PurePath | bytes) or callable(getattr(value, "read", None))


def name_of(value: Any) -> str:
    """The name that something to upload has by itself, empty: none."""
    if isinstance(value, str | os.PathLike):
        return Path(value).name
    name = getattr(value, "name", "")
    return Path(name).name if isinstance(name, str) else ""


def _name(what: Any) -> str:
    return name_of(what) or "file"


def _opened(what: Any) -> BinaryIO:
    if isinstance(what, bytes):
        return io.BytesIO(what)
    if isinstance(what, str | os.PathLike):
        return Path(what).open("rb")
    if isinstance(what, io.TextIOBase):
        raise TypeError(f"{_name(what)} is open as text: open it in binary mode, 'rb'")
    file: BinaryIO = what
    return file if _seekable(file) else _spooled(file)


def _seekable(file: Any) -> bool:
    seekable = getattr(file, "seekable", None)
    return bool(seekable and seekable())


def _spooled(file: Any) -> BinaryIO:
    """All of what can be read only once, from a pipe say, in a file without a name."""
    spool = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the source)
    shutil.copyfileobj(file, spool, CHUNK)
    spool.seek(0)
    return spool
