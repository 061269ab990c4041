"""What a browser gets of the page's files: not what we do to read them, and all modules as one script.

One by one these would be fifty requests, each a call of the Lambda, and a third larger when compressed. On
disk they stay modules, which browsers and type checkers take as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

ENTRY = "app.js"
"""The module that imports all others, and is shipped with them."""
NOTES = re.compile(r"/\*.*?\*/", re.DOTALL)
"""Comments: types and explanations, a fifth of what would travel."""
LAYOUT = re.compile(r"^\s+", re.MULTILINE)
"""What indents lines, and empty ones."""
IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


def shipped(path: Path) -> str:
    """What is sent of a file. Raises OSError."""
    if path.name == ENTRY:
        return _linked(path)
    text = path.read_text()
    return _plain(text) if path.suffix in (".js", ".css") else text


def _plain(text: str) -> str:
    return LAYOUT.sub("", NOTES.sub("", text))


def _linked(entry: Path) -> str:
    """A module behind all that it imports, each a function that is called once and returns its exports."""
    seen: set[Path] = set()
    parts: list[str] = []

    def add(path: Path) -> None:
        if path in seen:
            return
        seen.add(path)
        text = _plain(path.read_text())
        for match in IMPORT.finditer(text):
            add(path.with_name(f"{match[2]}.js"))
        parts.append(_module(path.stem, text))

    add(entry)
    return "".join(parts)


def _module(name: str, text: str) -> str:
    exports = ", ".join(match[2] for match in EXPORT.finditer(text))
    body = IMPORT.sub(lambda match: f"const {match[1]} = {_variable(match[2])};\n", EXPORT.sub(r"\1", text))
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"


def _variable(name: str) -> str:
    return "$" + name.replace("-", "_")
