"""The Lua scripts that change jobs: each is one transaction and one round trip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import ConnectionError, NoScriptError

FOLDER = Path(__file__).with_name("lua")
"""Where the scripts are, and in ``parts`` what they share. Redis makes a script's functions anew in each
call: so a script names in its first line the parts that it needs, as parts do, and has no others in front."""
NEEDS = "-- Needs: "
WAIT_MILLISECONDS = 900
"""How long replicas get to confirm a write; below the client's time-out for one answer."""


class NotReplicatedError(ConnectionError):
    """A write is on the primary, but too few replicas have confirmed it."""


class Scripts:
    """Runs the scripts of ``lua/`` by name on one client.

    A script is called by its digest; a server that does not have it (a restart, a failover) is sent its
    text in the very call, since the next call may meet another server again. ``replicas`` is how many of
    them must confirm what has to survive a failover.
    """

    def __init__(self, client: redis.Redis, prefix: str, replicas: int = 0) -> None:
        self._client = client
        self._prefix = prefix
        self._replicas = replicas

    def run(
        self, name: str, keys: Sequence[str], *args: str | bytes | int | float, durable: bool = False
    ) -> Any:
        """Run ``lua/<name>.lua`` with the key prefix and then ``args`` as its arguments.

        ``durable``: return only when the replicas have confirmed what it wrote, and all written before.
        Raises NotReplicatedError: they have not; the script has run all the same.
        """
        command = self.command(name, keys, *args)
        call = self._run_durably if durable and self._replicas else self._client.execute_command
        try:
            return call(*command)
        except NoScriptError:
            return call("EVAL", source(name), *command[2:])

    def command(
        self, name: str, keys: Sequence[str], *args: str | bytes | int | float
    ) -> tuple[str | bytes | int | float, ...]:
        """The command that runs a script whose text the server has. Takes what ``run`` does."""
        return ("EVALSHA", _digest(name), len(keys), *keys, self._prefix, *args)

    def _run_durably(self, *command: str | bytes | int | float) -> Any:
        # WAIT is about the writes of its own connection, so it goes with the script.
        pipeline = self._client.pipeline(transaction=False)
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        pipeline.wait(self._replicas, WAIT_MILLISECONDS)
        answer, confirmed = pipeline.execute()
        if confirmed < self._replicas:
            raise NotReplicatedError(f"{confirmed} of {self._replicas} replicas confirmed a write")
        return answer


@lru_cache
def source(name: str) -> str:
    """The text of a script behind the parts that it needs, each part behind those that it needs itself."""
    found: dict[Path, str] = {}
    _gather(FOLDER / f"{name}.lua", found)
    return "".join(found.values())


def _gather(file: Path, found: dict[Path, str]) -> None:
    """Add a file to what was found, after the parts that it names."""
    if file in found:
        return
    text = file.read_text()
    for part in needs(text):
        _gather(FOLDER / "parts" / f"{part}.lua", found)
    found[file] = text


def needs(text: str) -> list[str]:
    """The parts that the text of a script, or of a part, names in its first line."""
    first, _, _ = text.partition("\n")
    return first.removeprefix(NEEDS).split(", ") if first.startswith(NEEDS) else []


@lru_cache
def _digest(name: str) -> str:
    """What Redis knows a script by: the SHA-1 of its text."""
    return hashlib.sha1(source(name).encode(), usedforsecurity=False).hexdigest()
