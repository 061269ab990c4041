"""Where files stand in a JSON value: objects with the member ``$file``, which is reserved for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

FILE = "$file"
"""The member that makes an object a file: its id."""
Path: TypeAlias = tuple[str | int, ...]
"""The way to a value in another one."""


def has_files(value: Mapping[str, Any]) -> bool:
    """Whether there is any file in an object."""
    inside: list[Any] = [value]
    while inside:
        outer = inside.pop()
        if isinstance(outer, dict):
            if FILE in outer:
                return True
            outer = outer.values()
        inside += [inner for inner in outer if isinstance(inner, dict | list)]
    return False


def files_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """All objects with the member ``$file`` in a value, and where each is."""
    inside: list[tuple[Path, Any]] = [(path, value)] if isinstance(value, dict | list) else []
    while inside:
        path, value = inside.pop()
        if isinstance(value, dict):
            if FILE in value:
                yield path, value
                continue
            steps: Any = value.items()
        else:
            steps = enumerate(value)
        inside += [((*path, step), inner) for step, inner in steps if isinstance(inner, dict | list)]


def replaced(value: Any, instead: Callable[[Path, Mapping[str, Any]], Any], path: Path = ()) -> Any:
    """The same value with something else for each object with the member ``$file``. Takes what tells it."""
    if isinstance(value, dict):
        if FILE in value:
            return instead(path, value)
        return {name: replaced(inner, instead, (*path, name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [replaced(inner, instead, (*path, step)) for step, inner in enumerate(value)]
    return value
