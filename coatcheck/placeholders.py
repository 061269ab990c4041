"""Places in a job's arguments that other jobs' results take: ``{"$result": job, "pointer": "/rows/0"}``.

A value of the arguments, at any depth, that has exactly these members (``pointer`` may be missing) is such a
place; anything else is itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from coatcheck.json_pointer import is_pointer

JOB = "$result"
POINTER = "pointer"
MEMBERS = ({JOB}, {JOB, POINTER})

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value in the arguments."""
Placeholder: TypeAlias = Mapping[str, Any]
"""What stands in the arguments instead of a value, whether it is well-formed or not."""


def is_placeholder(value: Any) -> bool:
    """Whether a value stands for another job's result."""
    return isinstance(value, dict) and JOB in value and value.keys() in MEMBERS


def faults(placeholder: Placeholder) -> Iterator[tuple[str, str]]:
    """Why a placeholder can't be used: the name of a member, and what is wrong with it."""
    if not isinstance(placeholder[JOB], str):
        yield JOB, "should be the id of a job"
    pointer = placeholder.get(POINTER, "")
    if not isinstance(pointer, str) or not is_pointer(pointer):
        yield POINTER, "should be a JSON Pointer (RFC 6901), such as /rows/0"


def placeholders(arguments: Mapping[str, Any]) -> Iterator[tuple[Path, Placeholder]]:
    """The placeholders in a job's arguments, and where each is."""
    inside: list[tuple[Path, Any]] = _containers((), arguments)
    while inside:
        path, value = inside.pop()
        if is_placeholder(value):
            yield path, value
        else:
            inside += _containers(path, value)


def _containers(path: Path, value: Any) -> list[tuple[Path, Any]]:
    """The objects and arrays in a value, the last one first."""
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    return [((*path, step), inner) for step, inner in steps if isinstance(inner, dict | list)][::-1]


def filled(arguments: Mapping[str, Any], fill: Callable[[Path, Placeholder], Any]) -> dict[str, Any]:
    """The arguments with something else in each place. Takes what tells it."""
    return {name: _filled(value, (name,), fill) for name, value in arguments.items()}


def _filled(value: Any, path: Path, fill: Callable[[Path, Placeholder], Any]) -> Any:
    if is_placeholder(value):
        return fill(path, value)
    if isinstance(value, dict):
        return {name: _filled(inner, (*path, name), fill) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, (*path, step), fill) for step, inner in enumerate(value)]
    return value
