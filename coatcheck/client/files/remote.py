"""The files of a result: what their holder does with them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path, PurePath
from types import TracebackType
from typing import BinaryIO

from coatcheck.client.files.download import Download, Jobs
from coatcheck.client.files.reference import Document, FileReference
from coatcheck.client.files.upload import OnProgress
from coatcheck.client.flow import AsyncRun, Run

MAX_NAME = 200
"""Most bytes of a name that a file gets here, below the 255 of most file systems: others are made of it."""
MAX_SUFFIX = 20
"""Most bytes of its end, which stays."""


class RemoteFile(FileReference):
    """A file of a job's result. It is fetched when asked for, and checked against its SHA-256."""

    def __init__(self, run: Run, api: Jobs, job_id: str, document: Document) -> None:
        super().__init__(document)
        self._run = run
        self._api = api
        self._job_id = job_id

    def stream(self) -> Iterator[bytes]:
        """Its bytes, in pieces. Raises TransferError, at the end if they are not those promised."""
        download = Download(self._api, self._job_id, self)
        try:
            while chunk := self._run(download.next()):
                yield chunk
        finally:
            self._run(download.close())

    def read(self) -> bytes:
        """All its bytes. Raises TransferError."""
        return b"".join(self.stream())

    def save(self, path: str | os.PathLike[str] = ".", on_progress: OnProgress | None = None) -> Path:
        """Write it to a file, or into a folder below its own name. Returns where it is.

        Nothing is at that place before all of it has come and is right. Takes what is told how many bytes of
        how many have come too. Raises TransferError, OSError.
        """
        with Saving(path, self, on_progress) as saving:
            for chunk in self.stream():
                saving.write(chunk)
        return saving.path


class AsyncRemoteFile(FileReference):
    """The same for asyncio."""

    def __init__(self, run: AsyncRun, api: Jobs, job_id: str, document: Document) -> None:
        super().__init__(document)
        self._run = run
        self._api = api
        self._job_id = job_id

    async def stream(self) -> AsyncIterator[bytes]:
        """Its bytes, in pieces. Raises TransferError, at the end if they are not those promised."""
        download = Download(self._api, self._job_id, self)
        try:
            while chunk := await self._run(download.next()):
                yield chunk
        finally:
            await self._run(download.close())

    async def read(self) -> bytes:
        """All its bytes. Raises TransferError."""
        return b"".join([chunk async for chunk in self.stream()])

    async def save(self, path: str | os.PathLike[str] = ".", on_progress: OnProgress | None = None) -> Path:
        """Write it to a file, or into a folder below its own name. Returns where it is.

        Nothing is at that place before all of it has come and is right. Takes what is told how many bytes of
        how many have come too. Raises TransferError, OSError.
        """
        with Saving(path, self, on_progress) as saving:
            async for chunk in self.stream():
                saving.write(chunk)
        return saving.path


class Saving:
    """A file that is there when it is whole. Takes its path, or a folder where it gets its own name."""

    _to: BinaryIO

    def __init__(
        self, path: str | os.PathLike[str], file: FileReference, on_progress: OnProgress | None
    ) -> None:
        given = Path(path)
        self.path = given / safe_name(file.name) if given.is_dir() else given
        self._unfinished = self.path.with_name(f"{self.path.name}.part")
        self._size = file.size
        self._tell = on_progress or (lambda got, size: None)

    def __enter__(self) -> Saving:
        self._to = self._unfinished.open("wb")
        return self

    def write(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self._to.write(chunk)
        self._tell(self._to.tell(), self._size)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._to.close()
        if error is None:
            self._unfinished.replace(self.path)
        else:
            with suppress(OSError):
                self._unfinished.unlink()


def safe_name(name: str) -> str:
    """A file's name without what would lead out of a folder: it was chosen by somebody else."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if character.isprintable()).strip().lstrip(".")
    whole = PurePath(kept)
    suffix = _cut(whole.suffix, MAX_SUFFIX)
    return _cut(whole.stem, MAX_NAME - len(suffix.encode())) + suffix or "file"


def _cut(text: str, most: int) -> str:
    """As much of a text as has so many bytes."""
    return text.encode()[:most].decode(errors="ignore")
