"""How deep JSON may be nested. Python's own limit depends on who reads: not all it reads can be written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def check_depth(text: str, value: Any, most: int) -> None:
    """Check what was read from a text of JSON. Raises RecursionError: it is deeper than ``most`` levels."""
    if text.count("[") + text.count("{") <= most:
        return
    level = [value]
    for _ in range(most):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not level:
            return
    raise RecursionError(f"nested deeper than {most} levels")


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
