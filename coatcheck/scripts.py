"""The Lua scripts that change jobs: each is one transaction and one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import ConnectionError, NoScriptError

FOLDER = Path(__file__).with_name("lua")
WAIT_MILLISECONDS = 900
"""How long replicas get to confirm a write; below the client's time-out for one answer."""


class NotReplicatedError(ConnectionError):
    """A write is on the primary, but too few replicas have confirmed it."""


class Scripts:
    """Runs the scripts of ``lua/`` by name on one client.

    A script is sent once and then called by its digest; a server that lost it (a restart, a failover)
    gets it again by itself. ``replicas`` is how many of them must confirm what has to survive a failover.
    """

    def __init__(self, client: redis.Redis, prefix: str, replicas: int = 0) -> None:
        self._client = client
        self._prefix = prefix
        self._replicas = replicas
        self._loaded: dict[str, Any] = {}

    def run(
        self, name: str, keys: Sequence[str], *args: str | bytes | int | float, durable: bool = False
    ) -> Any:
        """Run ``lua/<name>.lua`` with the key prefix and then ``args`` as its arguments.

        ``durable``: return only when the replicas have confirmed what it wrote, and all written before.
        Raises NotReplicatedError: they have not; the script has run all the same.
        """
        script = self._loaded.get(name)
        if script is None:
            script = self._loaded[name] = self._client.register_script(source(name))
        if durable and self._replicas:
            return self._run_durably(script, [len(keys), *keys, self._prefix, *args])
        return script(keys=list(keys), args=[self._prefix, *args])

    def _run_durably(self, script: Any, arguments: Sequence[str | bytes | int | float]) -> Any:
        # WAIT is about the writes of its own connection, so it goes with the script.
        pipeline = self._client.pipeline(transaction=False)
        try:
            answer, confirmed = self._with_wait(pipeline, script, arguments)
        except NoScriptError:
            self._client.script_load(script.script)
            answer, confirmed = self._with_wait(pipeline, script, arguments)
        if confirmed < self._replicas:
            raise NotReplicatedError(f"{confirmed} of {self._replicas} replicas confirmed a write")
        return answer

    def _with_wait(self, pipeline: Any, script: Any, arguments: Sequence[Any]) -> list[Any]:
        pipeline.evalsha(script.sha, *arguments)
        pipeline.wait(self._replicas, WAIT_MILLISECONDS)
        answers: list[Any] = pipeline.execute()
        return answers


@lru_cache
def source(name: str) -> str:
    """The text of a script, with what all scripts share in front."""
    return (FOLDER / "lib.lua").read_text() + (FOLDER / f"{name}.lua").read_text()
