"""Files in a folder: the store of a laptop, whose links the local server answers (``infra/file_routes.py``).

A file comes to its place by a rename, so that whatever lies there is whole. Below ``.uploads`` are the parts
of what is not complete, below ``.new`` what is being written.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from coatcheck.errors import (
    FileMismatchError,
    FilesUnavailableError,
    PartMismatchError,
    UnknownFileError,
)
from coatcheck.files.links import Links
from coatcheck.files.store import Part, PartLink, Stored, Upload
from coatcheck.secret_text import read_secret, write_private

PATH = "/files/"
"""Where the local server answers the links."""
PIECE = 1024 * 1024
"""Bytes that are in memory at a time."""
PART = re.compile(r"(\d{5})\.([0-9a-f]{64})")
"""The name of a part: its number and its checksum."""
OTHER_SUM = "The file's SHA-256 is {}, not {}; it was refused."
OVER = "The upload is over: the file is complete, was deleted or is not kept any more."


class FolderStore:
    """Takes the folder, which is made when it is needed, and for tests a clock."""

    origin = ""

    def __init__(self, folder: str | Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = Path(folder)
        self._clock = clock
        self._links = Links(PATH, lambda: self._secret)

    # What a store does

    def begin(self, upload: Upload) -> Upload:
        """Make room for the parts."""
        with _reaching():
            self._made(self._parts(upload.key))
        return upload

    def part_links(self, upload: Upload, numbers: Iterable[int], until: int) -> list[PartLink]:
        """Links to this API."""
        found = []
        for number in numbers:
            size = upload.size_of(number)
            whole = {"type": upload.type} if upload.part_size is None else {}
            told = {"sha256": upload.sha256} if whole and upload.sha256 else {}
            url = self._links.sign(
                "PUT", upload.key, until, part=str(number), size=str(size), **whole, **told
            )
            headers = {"Content-Type": upload.type} if whole else {}
            found.append(PartLink(number, size, url, headers))
        return found

    def arrived(self, upload: Upload) -> list[Part]:
        """The parts whose last byte is on the disk."""
        with _reaching():
            return [part for part, _ in self._arrived(upload.key)]

    def complete(self, upload: Upload, parts: Sequence[Part]) -> Stored:
        """Put the parts together."""
        target = self._place(upload.key)
        with _reaching(), self._new() as joined:
            if not target.exists():
                try:
                    self._complete(upload, parts, target, joined)
                except FileNotFoundError:  # another request was first
                    if not target.exists():
                        raise UnknownFileError(OVER) from None
            self.abort(upload)
            return Stored(target.stat().st_size, upload.sha256 or _sha256(target))

    def _complete(self, upload: Upload, parts: Sequence[Part], target: Path, joined: Path) -> None:
        there = {part.number: (part, path) for part, path in self._arrived(upload.key)}
        try:
            upload.check(parts, {number: part for number, (part, _) in there.items()})
        except PartMismatchError as error:
            for number in error.numbers:
                there[number][1].unlink(missing_ok=True)
            raise
        paths = [there[number][1] for number in range(1, upload.count + 1)]
        whole, sha256 = paths[0], there[1][0].sha256
        if len(paths) > 1:
            whole, sha256 = joined, _joined(paths, joined)
        if upload.sha256 not in (None, sha256):
            self.abort(upload)
            raise FileMismatchError(OTHER_SUM.format(sha256, upload.sha256))
        self._put(whole, target)

    def abort(self, upload: Upload) -> None:
        """Delete the parts."""
        shutil.rmtree(self._parts(upload.key), ignore_errors=True)

    def head(self, key: str) -> Stored | None:
        """The size of a file."""
        with _reaching():
            try:
                return Stored(self._place(key).stat().st_size)
            except FileNotFoundError:
                return None

    def download_link(self, key: str, *, name: str, kind: str, since: int, until: int) -> str:
        """A link to this API."""
        return self._links.sign("GET", key, until, name=name, type=kind)

    def open(self, key: str) -> BinaryIO:
        """The file itself."""
        with _reaching():
            return self._place(key).open("rb")

    def write(self, key: str, source: BinaryIO, *, kind: str, size: int, sha256: str) -> None:
        """Copy it, then rename it."""
        with _reaching(), self._new() as path:
            with path.open("wb") as file:
                digest = hashlib.sha256()
                for piece in _pieces(source):
                    digest.update(piece)
                    file.write(piece)
                written = file.tell()
                _sync(file)
            if (written, digest.hexdigest()) != (size, sha256):
                raise FileMismatchError("What was to be kept changed while it was read; nothing was kept.")
            self._put(path, self._place(key))

    def copy(self, key: str, to: str) -> None:
        """Give the file a second name."""
        with _reaching():
            target = self._place(to)
            self._made(target.parent)
            with contextlib.suppress(FileExistsError):
                os.link(self._place(key), target)
            os.utime(target)  # its time begins now

    def delete(self, key: str) -> None:
        """Delete the file."""
        with _reaching():
            self._place(key).unlink(missing_ok=True)

    # What the local server does with links

    def receive(self, link: str, source: BinaryIO, length: int, kind: str) -> None:
        """Take the part that a link is for. A part that does not come whole leaves nothing.

        Takes the link as it came, the request's body, its length and its content type ('': none).

        Raises InvalidLinkError, ExpiredLinkError; UnknownFileError: the upload is over; FileMismatchError.
        """
        key, query = self._links.check("PUT", link, self._clock())
        number, size, folder = int(query["part"]), int(query["size"]), self._parts(key)
        if length != size:
            raise FileMismatchError(f"Part {number} should have {size} bytes, not {length}; it was refused.")
        if kind != query.get("type", kind):
            raise FileMismatchError(
                f"The file was announced as {query['type']!r}, not {kind!r}; it was refused."
            )
        with _reaching():
            if not folder.is_dir():
                raise UnknownFileError(OVER)
            with self._new() as path:
                sha256 = _received(path, source, length)
                if sha256 != query.get("sha256", sha256):
                    raise FileMismatchError(OTHER_SUM.format(sha256, query["sha256"]))
                target = folder / f"{number:05}.{sha256}"
                try:
                    path.replace(target)
                except FileNotFoundError:
                    raise UnknownFileError(OVER) from None
                for other in folder.glob(f"{number:05}.*"):  # sent twice, and not the same
                    if other != target:
                        other.unlink(missing_ok=True)

    def find(self, link: str) -> tuple[BinaryIO, str, str]:
        """The file that a link is for, its name and its type. Takes the link as it came.

        Raises InvalidLinkError, ExpiredLinkError, UnknownFileError.
        """
        key, query = self._links.check("GET", link, self._clock())
        try:
            return self.open(key), query["name"], query["type"]
        except FileNotFoundError:
            raise UnknownFileError("The file is not kept any more.") from None

    # What ends files

    def kept(self) -> Iterator[tuple[str, float]]:
        """The key of each file, and when it came, in seconds since 1970."""
        for path in self.folder.glob("d[0-9]*/**/*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                if not path.is_dir():
                    yield str(path.relative_to(self.folder)), status.st_mtime

    def tidy(self, before: float) -> None:
        """Delete what has been begun and was not touched since then, and folders that are empty."""
        begun = [*self.folder.glob(".uploads/*"), *self.folder.glob(".new/*")]
        for path in begun:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime >= before:
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        for path in sorted(self.folder.glob("d[0-9]*/**"), reverse=True):
            with contextlib.suppress(OSError):  # one that is not empty stays
                if path.stat().st_mtime < before:
                    path.rmdir()

    # Where things are

    def _place(self, key: str) -> Path:
        return self.folder / key

    def _parts(self, key: str) -> Path:
        return self.folder / ".uploads" / key.replace("/", ".")

    def _arrived(self, key: str) -> list[tuple[Part, Path]]:
        try:
            paths = sorted(self._parts(key).iterdir())
        except FileNotFoundError:
            return []
        named = [(PART.fullmatch(path.name), path) for path in paths]
        return [
            (Part(int(match[1]), path.stat().st_size, match[2]), path)
            for match, path in named
            if match is not None
        ]

    @contextlib.contextmanager
    def _new(self) -> Iterator[Path]:
        """Where something is written before it comes to its place; gone afterwards."""
        path = self._made(self.folder / ".new") / secrets.token_hex(16)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _put(self, path: Path, target: Path) -> None:
        """Bring a file to its place, so that it is there after a crash too."""
        for tries_left in (1, 0):
            self._made(target.parent)
            try:
                path.replace(target)
                break
            except FileNotFoundError:  # the folder was empty, and was tidied away in this moment
                if not tries_left or not path.exists():
                    raise
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _made(self, folder: Path) -> Path:
        """A folder that is there, in one that only its user may look into."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @cached_property
    def _secret(self) -> bytes:
        """What links are signed with: kept beside the files, so that links outlive a restart."""
        path = self.folder / ".secret"
        if not path.exists():
            with _reaching(), self._new() as new:
                write_private(new, secrets.token_hex(32))
                with contextlib.suppress(FileExistsError):  # somebody else was first
                    os.link(new, path)
        return read_secret(str(path)).encode()


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    """Turns what a disk says that is full or gone into FilesUnavailableError."""
    try:
        yield
    except (FileNotFoundError, ConnectionError, TimeoutError):
        raise
    except OSError as error:
        raise FilesUnavailableError(f"The folder of the files can't be used: {error.strerror}.") from error


def _received(path: Path, source: BinaryIO, length: int) -> str:
    """Write what a client sends. Returns its SHA-256. Raises FileMismatchError: it ended early."""
    digest, left = hashlib.sha256(), length
    with path.open("wb") as file:
        while left:
            piece = source.read(min(PIECE, left))
            if not piece:
                raise FileMismatchError("The connection ended before the part did; nothing of it is kept.")
            digest.update(piece)
            file.write(piece)
            left -= len(piece)
        _sync(file)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _joined(paths: Sequence[Path], whole: Path) -> str:
    """Put files together. Returns the SHA-256."""
    digest = hashlib.sha256()
    with whole.open("wb") as file:
        for path in paths:
            with path.open("rb") as part:
                for piece in _pieces(part):
                    digest.update(piece)
                    file.write(piece)
        _sync(file)
    return digest.hexdigest()


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
