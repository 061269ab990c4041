"""Steps that are taken again and again: what Redis refuses of one keeps no other from being taken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import ResponseError

log = logging.getLogger("coatcheck.pool")
Answer = TypeVar("Answer")


class Steps:
    """Takes what is called when a step is refused: Redis is full, or has something else at a key."""

    def __init__(self, refused: Callable[[], object] = lambda: None) -> None:
        self._refused = refused
        self._told: dict[str, str] = {}

    def take(self, name: str, step: Callable[[], Answer]) -> Answer | None:
        """Take a step, and tell in the log when it begins to be refused. Returns its answer, if it has one.

        Raises what else Redis' client raises: it is away, for the next step too.
        """
        try:
            answer = step()
        except ResponseError as error:
            self._refused()
            if self._told.get(name) != str(error):
                self._told[name] = str(error)
                log.warning("%s: Redis refuses it (%s)", name, error)
            return None
        self._told.pop(name, None)
        return answer
