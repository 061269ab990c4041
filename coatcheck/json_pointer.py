"""JSON Pointers (RFC 6901): how they are written, and what they name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

WELL_FORMED = re.compile(r"(/([^~/]|~[01])*)*")
INDEX = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


def pointer_of(path: Sequence[str | int]) -> str:
    """The pointer to the end of a path."""
    return "".join(["/" + escaped(str(step)) for step in path])


def escaped(name: str) -> str:
    """A name as a step of a pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def is_pointer(text: str) -> bool:
    """Whether the text is a pointer; the empty one names the whole document."""
    return WELL_FORMED.fullmatch(text) is not None


def part(document: Any, pointer: str) -> Any:
    """What a pointer names in a document. Raises LookupError: nothing is there."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and name in document:
            document = document[name]
        elif isinstance(document, list) and INDEX.fullmatch(name) and int(name) < len(document):
            document = document[int(name)]
        else:
            raise LookupError(f"there is nothing at {pointer}")
    return document
