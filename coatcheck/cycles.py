"""Jobs that would wait for each other for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

Node = TypeVar("Node", str, int)


def find_cycle(waits: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """A cycle, if there is one: each job waits for the next, and the last is the first again; else nothing.

    Takes what each job waits for, be it among these jobs or not.
    """
    from graphlib import CycleError, TopologicalSorter  # few submissions have any of it

    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        cycle: list[Node] = error.args[1]
        return cycle[::-1]
    return []
