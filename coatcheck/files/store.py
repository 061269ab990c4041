"""What keeps files: a folder, S3, or whatever else does what ``Store`` says.

A store knows nothing of jobs and owners. It gets keys, such as ``d7/0a1b.../01m8...``, that tell where a file
is and how long it may stay: ``d7`` for seven days.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from coatcheck.errors import FieldError, PartMismatchError, UploadIncompleteError
from coatcheck.settings import Settings


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a client shall send.

    ``size`` is in bytes; ``part_size`` that of all parts but the last, None: it comes in one piece.
    ``type`` is its media type. ``sha256``, in hexadecimal, is that of the whole, None where the client has
    not told. ``token`` is what the store itself knows the upload by.
    """

    key: str
    type: str
    size: int
    part_size: int | None = None
    sha256: str | None = None
    token: str = ""

    @property
    def count(self) -> int:
        """How many parts it has: at least one, which may be empty."""
        return 1 if self.part_size is None else math.ceil(self.size / self.part_size)

    def size_of(self, number: int) -> int:
        """The bytes of a part. Parts are counted from 1."""
        if self.part_size is None:
            return self.size
        return min(self.part_size, self.size - (number - 1) * self.part_size)

    def check(self, told: Sequence[Part], there: Mapping[int, Part]) -> None:
        """Takes what the client says of its parts, and by number those that are there.

        Raises UploadIncompleteError: names the parts that are not there; PartMismatchError: names those that
        the client says another checksum of.
        """
        wanted = {*range(1, self.count + 1), *(part.number for part in told)}
        if missing := sorted(wanted - there.keys()):
            raise UploadIncompleteError(
                f"{len(missing)} of {self.count} parts have not arrived.",
                errors=[FieldError(f"/parts/{number}", "is missing") for number in missing],
            )
        wrong = {
            part.number: f"has the SHA-256 {there[part.number].sha256}, not {part.sha256}"
            for part in told
            if part.sha256 is not None and there[part.number].sha256 not in (None, part.sha256)
        }
        if wrong:
            raise PartMismatchError(
                f"{len(wrong)} of {self.count} parts are not what was announced: send them again.", wrong
            )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload that has arrived. ``sha256`` is None where it is not known."""

    number: int
    size: int
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class PartLink:
    """Where a client sends a part, with these headers. Without a scheme and a host it is the API's own."""

    number: int
    size: int
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "PUT"


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is kept whole. ``sha256`` is None where the store does not know it."""

    size: int
    sha256: str | None = None


class Store(Protocol):
    """A place for files.

    Times are in seconds since 1970. Every method raises FilesUnavailableError: the place can't be reached, or
    is full. Every one may be called again when its answer was lost.
    """

    @property
    def origin(self) -> str:
        """The origin of all links, such as ``https://bucket.s3.amazonaws.com``; empty: the API's own."""

    def begin(self, upload: Upload) -> Upload:
        """Get ready for the parts. Returns the upload with its ``token``."""

    def part_links(self, upload: Upload, numbers: Iterable[int], until: int) -> list[PartLink]:
        """Where these parts go, until that time."""

    def arrived(self, upload: Upload) -> list[Part]:
        """The parts that are there, by number."""

    def complete(self, upload: Upload, parts: Sequence[Part]) -> Stored:
        """Make one file of the parts.

        Takes what the client says of its parts, which may be nothing. Raises UploadIncompleteError: some are
        missing; FileMismatchError: a size or a checksum is another, and what is wrong was thrown away.
        """

    def abort(self, upload: Upload) -> None:
        """Throw away what has arrived of it."""

    def head(self, key: str) -> Stored | None:
        """What is kept under a key; None: nothing."""

    def download_link(self, key: str, *, name: str, kind: str, since: int, until: int) -> str:
        """A link by which a browser saves the file under that name.

        The same for the same arguments; it dies at ``until``.
        """

    def open(self, key: str) -> BinaryIO:
        """The file's bytes, to be read in order. Raises FileNotFoundError."""

    def write(self, key: str, source: BinaryIO, *, kind: str, size: int, sha256: str) -> None:
        """Keep what ``source`` holds, in place of what was there.

        Raises FileMismatchError: it is not of that size and checksum; then nothing is kept.
        """

    def copy(self, key: str, to: str) -> None:
        """Keep a file under a second key too. Raises FileNotFoundError."""

    def delete(self, key: str) -> None:
        """Delete a file, if it is there."""


def open_store(settings: Settings) -> Store | None:
    """The store of the setting COATCHECK_FILES; None: files are off. Connects to nothing."""
    if not settings.files:
        return None
    place = urlsplit(settings.files)
    if place.scheme == "file":
        from coatcheck.files.folder import FolderStore

        return FolderStore(unquote(place.path))
    from coatcheck.files.s3 import S3Store

    return S3Store(place.netloc, place.path.strip("/"), settings)
