"""Drops from the package what no function imports."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

OWN = ("app.py", "chalicelib", "coatcheck", "chalice")
"""Where the search for imports begins."""
PROVIDED = {"boto3", "botocore", "s3transfer"}
"""What Lambda's Python brings along: never shipped, nor what only it needs."""
ONE_WAY = {"zoneinfo": "tzdata"}
"""Modules of the standard library that look for a package by themselves."""
NEVER_IMPORTED = ("**/__pycache__", "**/*.pyi", "**/py.typed", "*/**/tests", "*/**/test")
IMPORT = re.compile(r"^\s*(?:from|import)\s+([^\n#]+)|import_module\(\s*['\"]([\w.]+)", re.MULTILINE)
METADATA = ("Metadata-Version", "Name", "Version")


def trim(folder: Path) -> None:
    """Remove from an unpacked package all that is never imported.

    A package stays whole if anything in it is imported, at the start or later: which of its modules it
    needs is for itself to know. Compiled modules stay, since one may import another unseen.
    """
    for pattern in NEVER_IMPORTED:
        for path in list(folder.glob(pattern)):
            _remove(path)
    kept = _reached(folder)
    for path in list(folder.iterdir()):
        if path.suffix == ".dist-info":
            _trim_metadata(path, kept)
        elif (path.suffix == ".py" or path.is_dir()) and path.name not in kept:
            _remove(path)


def _reached(folder: Path) -> set[str]:
    """The entries of the folder that can be imported from our own code, however indirectly."""
    entries = {path.stem if path.is_file() else path.name: path.name for path in folder.iterdir()}
    kept: set[str] = set()
    new = {name for name in OWN if (folder / name).exists()}
    while new:
        kept |= new
        found = {name for entry in new for name in _imports(folder / entry)} - PROVIDED
        new = {entries[name] for name in found if name in entries} - kept
    return kept


def _imports(path: Path) -> Iterator[str]:
    """The top-level names that a module, or any module of a package, may import. Rather too many."""
    for file in [path] if path.is_file() else path.rglob("*.py"):
        for statement, dynamic in IMPORT.findall(file.read_text(errors="replace")):
            for part in (statement or dynamic).partition(" import ")[0].split(","):
                name = part.split()[0].partition(".")[0] if part.split() else ""
                yield name
                yield ONE_WAY.get(name, name)


def _trim_metadata(folder: Path, kept: Iterable[str]) -> None:
    """Of a distribution that stays, keep what ``importlib.metadata`` tells: its version, its entry points."""
    with (folder / "RECORD").open(newline="") as file:
        files = {row[0].partition("/")[0] for row in csv.reader(file) if row}
    if not files & set(kept):
        _remove(folder)
        return
    for path in list(folder.iterdir()):
        if path.name == "METADATA":
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(line for line in lines if line.partition(":")[0] in METADATA))
        elif path.name != "entry_points.txt":
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
