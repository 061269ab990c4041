"""The files of one run of a job: fetched into a folder of the run, and stored as the job's results."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from coatcheck.errors import FileError, FileMismatchError, FilesUnavailableError
from coatcheck.files.ids import key_of, owner_of, result_id
from coatcheck.files.info import FileInfo, read_info
from coatcheck.files.store import Store

PIECE = 1024 * 1024
"""Bytes that are in memory at a time."""


class Workspace:
    """What a run does with files.

    Takes the store, what makes a folder for the run, the job's id and owner, the execution, and for how many
    days results are kept. Safe in threads: a task may have some.
    """

    def __init__(
        self,
        store: Store,
        make_folder: Callable[[], Path],
        job_id: str,
        owner: str | None,
        execution: str,
        days: int,
    ) -> None:
        self._store = store
        self._make_folder = make_folder
        self._job_id = job_id
        self._owner = owner
        self._execution = execution
        self._days = days
        self._folder: Path | None = None
        self._folders = 0
        self._kept = 0
        self._lock = threading.RLock()
        self.used = False
        """Whether the task has had anything to do with files."""

    def given(self, info: FileInfo) -> Given:
        """A file of the arguments. Raises ValueError: it is another owner's."""
        if info.place.owner != owner_of(self._owner):
            raise ValueError("is another owner's file")
        self.used = True
        return Given(info, self)

    def new_folder(self) -> Path:
        """A new folder, which is gone after the run."""
        with self._lock:
            if self._folder is None:
                self._folder = self._make_folder()
            self._folders += 1
            folder = self._folder / str(self._folders)
            folder.mkdir()
            return folder

    def fetch(self, info: FileInfo) -> Path:
        """Copy a file to the run's folder. Raises FileError: it is not there, or not what was uploaded."""
        path = self.new_folder() / info.name
        digest, size = hashlib.sha256(), 0
        try:
            with self._store.open(info.key) as source, path.open("wb") as target:
                while piece := source.read(PIECE):
                    digest.update(piece)
                    target.write(piece)
                    size += len(piece)
        except FileNotFoundError:
            raise FileError(_gone(info)) from None
        except (FilesUnavailableError, OSError) as error:
            raise FileError(f"{info.name} can't be fetched: {error}") from error
        if size != info.size or info.sha256 not in (None, digest.hexdigest()):
            path.unlink()
            raise FileError(
                f"{info.name} is not what was uploaded: {size} bytes with the SHA-256 {digest.hexdigest()},"
                f" instead of {info.size} with {info.sha256}"
            )
        return path

    def read(self, document: object) -> bytes:
        """All of a file that is to be in memory: a large result. Raises FileError, ValueError."""
        info = read_info(document)
        if info is None:
            raise ValueError("is no file")
        path = self.given(info).path
        try:
            return path.read_bytes()
        finally:
            path.unlink(missing_ok=True)

    def keep(self, name: str, kind: str, source: BinaryIO, size: int, sha256: str) -> FileInfo:
        """Store a file as a result of the job. Raises FileError."""
        with self._lock:
            self._kept += 1
            number = self._kept
        file_id = result_id(self._days, self._owner, self._job_id, self._execution, number)
        try:
            self._store.write(key_of(file_id), source, kind=kind, size=size, sha256=sha256)
        except (FilesUnavailableError, FileMismatchError, OSError) as error:
            raise FileError(f"{name} can't be stored: {error}") from error
        return FileInfo(file_id, name, kind, size, sha256)

    def keep_text(self, text: str, name: str, kind: str) -> FileInfo:
        """Store a text as a result of the job. Raises FileError."""
        data = text.encode("utf-8", "surrogatepass")
        return self.keep(name, kind, io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest())

    def close(self) -> None:
        """Delete what was fetched."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


current: ContextVar[Workspace | None] = ContextVar("workspace", default=None)
"""That of the run here and now; in the threads that it starts by ``asyncio.to_thread`` too."""


class Given:
    """A file of the arguments: fetched once, when it is asked for."""

    def __init__(self, info: FileInfo, workspace: Workspace) -> None:
        self.info = info
        self._workspace = workspace
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._stored: FileInfo | None = None
        self.size, self.sha256 = info.size, info.sha256

    @property
    def path(self) -> Path:
        """Where it is on this machine. Raises FileError."""
        with self._lock:
            if self._path is None:
                self._path = self._workspace.fetch(self.info)
            return self._path

    def keep(self, workspace: Workspace, name: str, kind: str) -> FileInfo:
        """Store a copy as the job's own: what was given may end before it."""
        if self._stored is None:
            self._stored = _stored(self.path, workspace, name, kind)
        return self._stored


class Loose:
    """A file that a task has made: at a path, or bytes. Takes the workspace of the run, if there is any."""

    def __init__(self, source: Path | bytes, workspace: Workspace | None) -> None:
        if isinstance(source, Path) and not source.is_file():
            raise FileError(f"there is no file {source}")
        self._source = source
        self._workspace = workspace
        self._stored: FileInfo | None = None
        if workspace is not None:
            workspace.used = True

    @property
    def size(self) -> int:
        """How many bytes it has now."""
        return len(self._source) if isinstance(self._source, bytes) else self._source.stat().st_size

    @property
    def sha256(self) -> str:
        """Of the bytes that it has now."""
        if isinstance(self._source, bytes):
            return hashlib.sha256(self._source).hexdigest()
        return _sha256(self._source)

    @property
    def path(self) -> Path:
        """Where it is; bytes come to a folder of their own."""
        return self._written if isinstance(self._source, bytes) else self._source

    @cached_property
    def _written(self) -> Path:
        assert isinstance(self._source, bytes)
        folder = self._workspace.new_folder() if self._workspace else Path(tempfile.mkdtemp())
        path = folder / "file"
        path.write_bytes(self._source)
        return path

    def keep(self, workspace: Workspace, name: str, kind: str) -> FileInfo:
        """Store it, once."""
        if self._stored is None:
            if isinstance(self._source, bytes):
                self._stored = workspace.keep(name, kind, io.BytesIO(self._source), self.size, self.sha256)
            else:
                self._stored = _stored(self._source, workspace, name, kind)
        return self._stored


def _gone(info: FileInfo) -> str:
    """What has become of a file that is not there, and what to do."""
    place = info.place
    anew = "upload it again" if place.job is None else f"have it made again, as by job {place.job},"
    return (
        f"{info.name} is not kept any more: its {place.days} days are over, or it was deleted."
        f" To go on, {anew} and submit a new job with it."
    )


def _stored(path: Path, workspace: Workspace, name: str, kind: str) -> FileInfo:
    try:
        size, sha256 = path.stat().st_size, _sha256(path)
        with path.open("rb") as source:
            return workspace.keep(name, kind, source, size, sha256)
    except OSError as error:
        raise FileError(
            f"{name} can't be read when the task has returned: {error.strerror}; is its folder gone?"
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
