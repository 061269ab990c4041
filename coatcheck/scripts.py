"""The Lua scripts that change jobs: each is one transaction and one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import redis

FOLDER = Path(__file__).with_name("lua")


class Scripts:
    """Runs the scripts of ``lua/`` by name on one client.

    A script is sent once and then called by its digest; a server that lost it (a restart, a failover)
    gets it again by itself.
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._loaded: dict[str, Any] = {}

    def run(self, name: str, keys: Sequence[str], *args: str | bytes | int | float) -> Any:
        """Run ``lua/<name>.lua`` with the key prefix and then ``args`` as its arguments."""
        script = self._loaded.get(name)
        if script is None:
            script = self._loaded[name] = self._client.register_script(source(name))
        return script(keys=list(keys), args=[self._prefix, *args])


@lru_cache
def source(name: str) -> str:
    """The text of a script, with what all scripts share in front."""
    return (FOLDER / "lib.lua").read_text() + (FOLDER / f"{name}.lua").read_text()
