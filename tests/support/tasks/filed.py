"""Tasks with files, for the tests."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel

from coatcheck import File, FileRules, submit

PIECE = 1024 * 1024


class Plots(BaseModel):
    """Files in a model."""

    first: File
    others: list[File] = []


def look(table: File) -> dict[str, Any]:
    """Reads a file and tells what it is."""
    digest, size = hashlib.sha256(), 0
    with table.open() as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
    return {
        "name": table.name,
        "type": table.type,
        "told": [table.size, table.sha256],
        "found": [size, digest.hexdigest()],
        "path": str(table.path),
        "same": table.path == table.path,
    }


def picky(table: Annotated[File, FileRules(types=["text/csv", "image/*"], max_size=10)]) -> int:
    """Takes only some."""
    return table.size


def many(tables: list[File | None], by_name: dict[str, File]) -> list[Any]:
    """Takes files anywhere."""
    return [
        [None if table is None else table.size for table in tables],
        {n: f.name for n, f in by_name.items()},
    ]


def copy(table: File, name: str = "copy.bin") -> File:
    """Copies a file, a piece at a time."""
    target = table.path.with_name("copied")
    with table.open() as source, target.open("wb") as file:
        while piece := source.read(PIECE):
            file.write(piece)
    return File.of(target, name=name)


def same(table: File) -> File:
    """Returns what it was given."""
    return table


def plots(texts: list[str]) -> Any:
    """Returns files in a model, in a list, and one twice."""
    made = [File.of(text.encode(), name=f"{number}.txt") for number, text in enumerate(texts)]
    return {"model": Plots(first=made[0], others=made[1:]), "again": made[0], "n": len(made)}


def unread(table: File) -> str:
    """Never asks for the bytes."""
    return table.name


def gone() -> File:
    """Returns a file whose folder is gone by then."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.txt")
        path.write_text("a")
        return File.of(path)


def rows(count: int) -> list[int]:
    """A result of any size."""
    return list(range(count))


def slow(table: File, seconds: float) -> str:
    """Fetches a file, then takes its time."""
    path = table.path
    time.sleep(seconds)
    return str(path)


def killed(table: File) -> None:
    """Fetches a file, then its process dies, the first time."""
    marker = Path(tempfile.gettempdir(), f"{table.sha256}.killed")
    print(table.path, flush=True)
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), 9)
    marker.unlink()


async def beside(table: File) -> File:
    """An async task with files."""
    return File.of(table.path.read_bytes().upper(), name=table.name)


async def numbers(count: int) -> list[int]:
    """A result of any size, of an async task."""
    return list(range(count))


def forged(value: dict[str, Any]) -> Any:
    """Returns whatever it is told to."""
    return value


def parent(table: File, again: bool = False) -> list[str]:
    """Submits jobs with the file that it was given and one that it makes; the first time it dies then."""
    made = File.of(b"made", name="made.txt")
    children = [submit("filed.same", {"table": file}) for file in (table, made)]
    marker = Path(tempfile.gettempdir(), f"{table.sha256}.parent")
    if again and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), 9)
    marker.unlink(missing_ok=True)
    return children


def total(numbers: list[int], last: int = 0) -> list[int]:
    """Adds up what may be another job's result."""
    return [sum(numbers), last]


async def atotal(numbers: list[int], last: int = 0) -> list[int]:
    """The same, asynchronous."""
    return [sum(numbers), last]
