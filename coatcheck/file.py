"""Files in tasks: ``File`` as the type of an argument or of what a task returns.

    def columns(table: Annotated[File, FileRules(types=["text/csv"])]) -> File:
        with table.open() as lines: ...
        return File.of("plot.svg")

A task never sees where a file is kept. Its bytes are fetched when they are asked for, to a folder that is
gone after the run.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from coatcheck.errors import CatalogError, FileError
from coatcheck.files.info import TYPE, UNKNOWN_TYPE, FileInfo, name_fault, read_info
from coatcheck.files.places import FILE
from coatcheck.files.rules import FORMAT, MAX_SIZE, TYPES, fault
from coatcheck.files.workspace import Given, Loose, Workspace, current

PATTERN = re.compile(r"[a-z0-9!#$&^_.+*-]+/[a-z0-9!#$&^_.+*-]+")
SCHEMA = {
    "type": "object",
    "format": FORMAT,
    "properties": {FILE: {"type": "string"}},
    "required": [FILE],
}
"""The JSON Schema of an argument."""
RESULT_SCHEMA = {
    **SCHEMA,
    "properties": {
        FILE: {"type": "string"},
        "name": {"type": "string"},
        "type": {"type": "string"},
        "size": {"type": "integer"},
        "sha256": {"type": ["string", "null"]},
        "url": {"type": ["string", "null"]},
        "expires_at": {"type": ["string", "null"], "format": "date-time"},
    },
    "required": [FILE, "name", "type", "size", "sha256", "url", "expires_at"],
}
"""The JSON Schema of a file in a result."""


class Content(Protocol):
    """Where a file's bytes come from."""

    @property
    def size(self) -> int:
        """How many there are."""

    @property
    def sha256(self) -> str | None:
        """Their SHA-256 in hexadecimal; None: nobody has told."""

    @property
    def path(self) -> Path:
        """Where they are on this machine. Raises FileError."""

    def keep(self, workspace: Workspace, name: str, kind: str) -> FileInfo:
        """Store them as a result of the run. Raises FileError."""


class File:
    """A file: what a client has sent, or what a task returns (``File.of``).

    ``name`` is what it was called, never a path; ``type`` the media type that it was given.
    """

    def __init__(self, name: str, type: str, content: Content) -> None:  # noqa: A002
        self.name = name
        self.type = type
        self._content = content

    @classmethod
    def of(
        cls,
        source: str | PathLike[str] | bytes,
        *,
        name: str | None = None,
        type: str | None = None,  # noqa: A002
    ) -> File:
        """A file to be returned, from a path or from bytes.

        What is at the path has to stay until the task has returned. ``name``: instead of the path's last
        part; ``type``: instead of what the name says. Raises FileError: there is no file, or the name or the
        type is none.
        """
        if name is None:
            name = "file" if isinstance(source, bytes) else Path(fspath(source)).name
        if wrong := name_fault(name):
            raise FileError(f"the name {name!r} {wrong}")
        if type is None:
            guessed, coding = mimetypes.guess_type(name)
            type = UNKNOWN_TYPE if guessed is None or coding else guessed  # noqa: A001
        if not TYPE.fullmatch(type):
            raise FileError(f"the type {type!r} should be a media type, such as text/csv")
        return cls(name, type, Loose(source if isinstance(source, bytes) else Path(source), current.get()))

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._content.size

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of its bytes, in hexadecimal; None: nobody has told."""
        return self._content.sha256

    @property
    def path(self) -> Path:
        """Where it is on this machine, for as long as the task runs; fetched when it is first asked for.

        Raises FileError: it can't be fetched, or is not what was uploaded.
        """
        return self._content.path

    def open(self) -> BinaryIO:
        """Its bytes, to be read. Raises FileError as ``path``."""
        return self.path.open("rb")

    def __repr__(self) -> str:
        return f"File(name={self.name!r}, type={self.type!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            _validated, serialization=core_schema.plain_serializer_function_ser_schema(document_of)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        return dict(RESULT_SCHEMA if handler.mode == "serialization" else SCHEMA)


@dataclass(frozen=True, slots=True)
class FileRules:
    """What a task asks of a file: ``Annotated[File, FileRules(types=["image/*"], max_size=1_000_000)]``.

    ``types`` are media types, with ``*`` for any; none: all. ``max_size`` is in bytes. Raises CatalogError.
    """

    types: Sequence[str] = ()
    max_size: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.types, str) or not all(PATTERN.fullmatch(pattern) for pattern in self.types):
            raise CatalogError(f"FileRules: types={self.types!r} should be a list such as ['image/*']")
        if self.max_size is not None and (type(self.max_size) is not int or self.max_size < 0):
            raise CatalogError(f"FileRules: max_size={self.max_size!r} should be a whole number of bytes")

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        found: dict[str, Any] = handler(schema)
        if self.types:
            found[TYPES] = list(self.types)
        if self.max_size is not None:
            found[MAX_SIZE] = self.max_size
        return found

    def _checked(self, file: File) -> File:
        if wrong := fault(file.type, file.size, self.types, self.max_size):
            raise ValueError(wrong)
        return file


def document_of(file: File) -> dict[str, Any]:
    """What stands for a file in a result: it is stored for that. Raises FileError."""
    workspace = current.get()
    if workspace is None:
        raise FileError("a file can be returned only where files are kept: COATCHECK_FILES names a place")
    return file._content.keep(workspace, file.name, file.type).document()


def argument_of(file: File) -> dict[str, Any]:
    """What stands for a file in the arguments of a child: one that the task was given is handed on as it is.

    Raises FileError.
    """
    if isinstance(file._content, Given):
        return file._content.info.document()
    return document_of(file)


def _validated(value: Any) -> File:
    """A file from what stands in a job's arguments. Raises ValueError."""
    if isinstance(value, File):
        return value
    info = read_info(value) if isinstance(value, Mapping) else None
    if info is None:
        raise ValueError('should be a file: {"$file": id}')
    workspace = current.get()
    if workspace is None:
        return File(info.name, info.type, Unreachable(info))
    return File(info.name, info.type, workspace.given(info))


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A file in a process that knows of no place for files."""

    info: FileInfo

    @property
    def size(self) -> int:
        """As it was told."""
        return self.info.size

    @property
    def sha256(self) -> str | None:
        """As it was told."""
        return self.info.sha256

    @property
    def path(self) -> Path:
        """Raises FileError."""
        raise FileError(f"{self.info.name} can't be fetched: COATCHECK_FILES names no place of files")

    def keep(self, workspace: Workspace, name: str, kind: str) -> FileInfo:
        """Raises FileError."""
        raise FileError(f"{name} can't be fetched: it was given to another process")
