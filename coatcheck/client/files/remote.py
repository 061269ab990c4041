"""The files of a result: what their holder does with them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from coatcheck.client.files.download import Download, Jobs
from coatcheck.client.files.reference import Document, FileReference
from coatcheck.client.flow import AsyncRun, Run


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

    def save(self, path: str | os.PathLike[str] = ".") -> Path:
        """Write it to a file, or into a folder below its own name. Returns where it is.

        Nothing is at that place before all of it has come and is right. Raises TransferError, OSError.
        """
        with Saving(path, self.name) as saving:
            for chunk in self.stream():
                saving.file.write(chunk)
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

    async def save(self, path: str | os.PathLike[str] = ".") -> Path:
        """Write it to a file, or into a folder below its own name. Returns where it is.

        Nothing is at that place before all of it has come and is right. Raises TransferError, OSError.
        """
        with Saving(path, self.name) as saving:
            async for chunk in self.stream():
                saving.file.write(chunk)
        return saving.path


class Saving:
    """A file that is there when it is whole. Takes its path, or a folder and its name there."""

    file: BinaryIO

    def __init__(self, path: str | os.PathLike[str], name: str) -> None:
        given = Path(path)
        self.path = given / safe_name(name) if given.is_dir() else given
        self._unfinished = self.path.with_name(f"{self.path.name}.part")

    def __enter__(self) -> Saving:
        self.file = self._unfinished.open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.file.close()
        if error is None:
            self._unfinished.replace(self.path)
        else:
            with suppress(OSError):
                self._unfinished.unlink()


def safe_name(name: str) -> str:
    """A file's name without what would lead out of a folder: it was chosen by somebody else."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if character.isprintable()).strip().lstrip(".")
    return kept[:200] or "file"
