"""What a job knows of a file: it stands in its arguments and its result instead of the file itself."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from coatcheck.files.ids import FileId, key_of, read_id
from coatcheck.files.places import FILE

RESULT_FILE = "$result_file"
"""The one member of what is kept instead of a result that became a file."""
MEMBERS = frozenset({FILE, "name", "type", "size", "sha256"})
UNKNOWN_TYPE = "application/octet-stream"
TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_NAME = 255
"""Most bytes of a file's name, as of most file systems."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file: its id, the name and the type that it was given, its bytes and, if known, their SHA-256."""

    id: str
    name: str
    type: str
    size: int
    sha256: str | None

    @property
    def key(self) -> str:
        """Where it lies in its store."""
        return key_of(self.id)

    @property
    def place(self) -> FileId:
        """What its id says."""
        found = read_id(self.id)
        assert found is not None
        return found

    def document(self) -> dict[str, Any]:
        """As it stands in a job."""
        return {FILE: self.id, "name": self.name, "type": self.type, "size": self.size, "sha256": self.sha256}


def read_info(value: Any) -> FileInfo | None:
    """The file that stands there; None: something else does. Never trusts what it reads."""
    if not isinstance(value, dict) or not value.keys() >= MEMBERS or read_id(value[FILE]) is None:
        return None
    name, kind, size, sha256 = (value[member] for member in ("name", "type", "size", "sha256"))
    if not (
        isinstance(name, str)
        and not name_fault(name)
        and isinstance(kind, str)
        and TYPE.fullmatch(kind)
        and type(size) is int
        and size >= 0
        and (sha256 is None or (isinstance(sha256, str) and SHA256.fullmatch(sha256)))
    ):
        return None
    return FileInfo(value[FILE], name, kind, size, sha256)


def name_fault(name: str) -> str | None:
    """Why a file can't be called that; None: it can. A name is never a path."""
    if not name or len(name.encode("utf-8", "replace")) > MAX_NAME:
        return f"should have 1 to {MAX_NAME} bytes"
    if "/" in name or "\\" in name or name in (".", ".."):
        return "should be a name, not a path"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        return "should have no control characters"
    return None
