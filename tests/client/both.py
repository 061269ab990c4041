"""One test, both clients: what the asynchronous one gives is awaited, what the other gives is taken."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from coatcheck.client import AsyncClient, Client

KINDS = ("sync", "async")


class Both:
    """A client of one kind. ``do`` gives what a call comes to, ``take`` what can be iterated over."""

    def __init__(self, kind: str, url: str, **options: Any) -> None:
        self._runner = asyncio.Runner() if kind == "async" else None
        self.client: Any = (AsyncClient if self._runner else Client)(url, **options)

    def do(self, value: Any) -> Any:
        """What a call returned, or what awaiting it gives."""
        return self._runner.run(value) if self._runner and inspect.iscoroutine(value) else value

    def take(self, values: Any, most: int | None = None) -> list[Any]:
        """All, or the first, of what is iterated over."""
        if self._runner:
            return self._runner.run(_together(values, most))
        return list(islice(values, most))

    def close(self) -> None:
        """Close the client and its loop."""
        self.do(self.client.close())
        if self._runner:
            self._runner.close()


async def _together(values: Any, most: int | None) -> list[Any]:
    found: list[Any] = []
    async for value in values:
        found.append(value)
        if len(found) == most:
            break
    return found


@contextmanager
def both(kind: str, url: str, **options: Any) -> Iterator[Both]:
    """A client of that kind, closed at the end."""
    opened = Both(kind, url, **options)
    try:
        yield opened
    finally:
        opened.close()
