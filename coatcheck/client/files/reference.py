"""How a file is told of in arguments, results and documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

Document: TypeAlias = Mapping[str, Any]

KEY = "$file"
"""What stands in an argument for a file: ``{"$file": id}``."""
PARTS = frozenset({KEY, "name", "type", "size", "url"})
"""What each document of a file has; an object without them is a task's own."""


class FileReference:
    """A file that the API knows. Given as a task's argument it means that file."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.type} {self.size}>"

    @property
    def id(self) -> str:
        """The file's id."""
        return str(self.document[KEY])

    @property
    def name(self) -> str:
        """Its name, as it was given: it may hold any character."""
        return str(self.document["name"])

    @property
    def type(self) -> str:
        """Its media type, such as ``text/csv``."""
        return str(self.document["type"])

    @property
    def size(self) -> int:
        """Its bytes."""
        return int(self.document["size"])

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of its bytes in hexadecimal, None where nobody has told it."""
        return self.document.get("sha256")


class UploadedFile(FileReference):
    """A file that was uploaded, to be given as an argument, as often as wanted until it expires."""


def is_file(value: Any) -> bool:
    """Whether a JSON value is the document of a file."""
    return isinstance(value, dict) and value.keys() >= PARTS


class Maker(Protocol):
    """Makes something of a file's document."""

    def __call__(self, document: Document, /) -> Any:
        """Make it."""
        ...


def with_files(value: Any, make: Maker) -> Any:
    """A JSON value with something else in the place of each document of a file."""
    if is_file(value):
        return make(value)
    if isinstance(value, dict):
        return {name: with_files(entry, make) for name, entry in value.items()}
    if isinstance(value, list):
        return [with_files(entry, make) for entry in value]
    return value
