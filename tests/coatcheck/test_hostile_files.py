"""Files that are read at a start, catalogue and tokens, in hostile shapes: told as what they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coatcheck.catalog import Catalog
from coatcheck.errors import CatalogError, TokenError
from coatcheck.tokens import TokenBook

DEEP = "[" * 100_000 + "]" * 100_000
TASK: dict[str, Any] = {"name": "a.b", "title": "B", "description": "", "schema": {}, "retry_delays": []}
TOKEN: dict[str, Any] = {
    "name": "ann",
    "salt": "00",
    "digest": "00",
    "scopes": ["read"],
    "tasks": ["*"],
    "created": 1,
    "expires": None,
}
TEXTS = [
    "x",
    "null",
    "[]",
    "5",
    '"x"',
    "{}",
    DEEP,
    "9" * 5000,
    '{"format": 1}',
    '{"format": 2}',
    '{"format":',
    "\x00",
]


def of(entry: Any, **document: Any) -> str:
    return json.dumps({"format": 1, "tasks": [entry], "tokens": {"k": entry}, **document})


BROKEN: list[Any] = [5, None, [], "x", {}]


@pytest.mark.parametrize(
    "text",
    [
        *TEXTS,
        *map(of, BROKEN),
        of({**TASK, "surprise": 1}),
        of({**TASK, "retry_delays": 5}),
        of({**TASK, "name": ["a"]}),
        of({**TASK, "name": "../../etc/passwd"}),
        of({**TASK, "schema": "x"}),
        of({**TASK, "queue": "a:b"}),
        of({**TASK, "timeout": "1"}),
        of({**TASK, "retries": -1}),
        of(TASK, tasks=5),
    ],
)
def test_a_hostile_catalogue_is_told(text: str) -> None:
    with pytest.raises(CatalogError, match=r"is not a catalogue|has format"):
        Catalog.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        *TEXTS,
        *map(of, BROKEN),
        of({**TOKEN, "surprise": 1}),
        of({**TOKEN, "scopes": ["root"]}),
        of({**TOKEN, "scopes": 5}),
        of({**TOKEN, "tasks": None}),
        of(TOKEN, tokens=[TOKEN]),
    ],
)
def test_hostile_tokens_are_told_and_let_nobody_in(text: str) -> None:
    with pytest.raises(TokenError, match="can't be read"):
        TokenBook.loads(text)


def test_what_is_valid_is_read() -> None:
    assert Catalog.loads(of(TASK)).get("a.b").title == "B"
    assert list(TokenBook.loads(of(TOKEN)).tokens) == ["k"]
