"""What a token is, and what is kept of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from coatcheck.errors import TokenError
from coatcheck.scopes import Scope, task_allowed
from coatcheck.tokens import SECRET_LENGTH, TOKEN, TokenBook

NOW = 1_800_000_000.0


def made(**options: Any) -> tuple[TokenBook, str]:
    return TokenBook().create("ann", **{"now": NOW, **options})


def test_a_token_has_a_prefix_an_id_and_at_least_192_random_bits() -> None:
    tokens = {made()[1] for _ in range(50)}
    assert len(tokens) == 50
    assert all(re.fullmatch(r"cc_[A-Za-z0-9]{12}_[A-Za-z0-9]{40}", token) for token in tokens)
    assert 62**SECRET_LENGTH > 2**192


def test_it_is_found_and_tells_whose_it_is() -> None:
    book, text = made(scopes=[Scope.READ], tasks=["reports.*"])
    token = book.find(text, NOW)
    assert token and (token.name, token.scopes, token.tasks) == ("ann", (Scope.READ,), ("reports.*",))


def test_neither_it_nor_its_secret_is_kept() -> None:
    book, text = made()
    secret = text.rpartition("_")[2]
    assert secret not in book.dumps() and secret[:8] not in book.dumps()


def test_each_has_a_salt_of_its_own() -> None:
    book = TokenBook()
    for name in ("ann", "bob", "cid"):
        book, _ = book.create(name, now=NOW)
    assert len({token.salt for token in book.tokens.values()}) == 3


def test_any_other_secret_is_refused() -> None:
    book, text = made()
    head, _, secret = text.rpartition("_")
    for other in (secret[::-1], "A" * 40, secret[:-1] + ("a" if secret[-1] != "a" else "b")):
        assert book.find(f"{head}_{other}", NOW) is None


def test_the_hashes_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("hmac.compare_digest", compare)
    book, text = made()
    assert book.find(text, NOW)
    assert compared == [(next(iter(book.tokens.values())).digest,) * 2]


@pytest.mark.parametrize(
    "text", ["", "cc_", "cc_a_b", "cc_" + "a" * 12 + "_" + "b" * 39, "cc_" + "ä" * 12 + "_" + "b" * 40]
)
def test_what_is_malformed_is_nobodys(text: str) -> None:
    assert not TOKEN.fullmatch(text) and made()[0].find(text, NOW) is None


def test_it_expires_to_the_second() -> None:
    book, text = made(lifetime=90)
    assert book.find(text, NOW + 89.9)
    assert book.find(text, NOW + 90) is None


def test_a_name_is_taken_until_it_is_revoked_or_has_expired() -> None:
    book, text = made(lifetime=90)
    with pytest.raises(TokenError, match="there is a token 'ann' already"):
        book.create("ann", now=NOW)
    again, other = book.revoke("ann").create("ann", now=NOW)
    assert again.find(other, NOW) and again.find(text, NOW) is None
    later, _ = book.create("ann", now=NOW + 90)
    assert len(later.tokens) == 1, "the expired one is forgotten"


def test_a_revoked_one_is_gone() -> None:
    book, text = made()
    assert book.revoke("ann").find(text, NOW) is None
    assert book.find(text, NOW), "a book never changes"
    with pytest.raises(TokenError, match="there is no token 'bob'"):
        book.revoke("bob")


@pytest.mark.parametrize("name", ["", "-a", "a b", "a\nb", "a/b", "ä", "a" * 65])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(TokenError, match="is no name"):
        TokenBook().create(name, now=NOW)


@pytest.mark.parametrize("glob", ["", "a b", "a,b", "[a]", "ä"])
def test_a_malformed_pattern_is_refused(glob: str) -> None:
    with pytest.raises(TokenError, match="is no pattern"):
        made(tasks=[glob])


def test_a_token_needs_a_scope() -> None:
    with pytest.raises(TokenError, match="needs a scope: submit, read, admin"):
        made(scopes=[])


def test_a_book_is_written_and_read() -> None:
    book, _ = made(tasks=["a.*", "b.c"], lifetime=60)
    book, _ = book.create("bob", now=NOW, scopes=[Scope.ADMIN])
    assert TokenBook.loads(book.dumps()) == book
    assert TokenBook.loads("") == TokenBook()


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        "1",
        {"format": 2, "tokens": {}},
        {"format": 1},
        {"format": 1, "tokens": {"a": {"name": "b"}}},
    ],
)
def test_what_is_no_book_is_told_without_what_it_holds(document: Any) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(TokenError, match=r"can't be read \(\w+\)"):
        TokenBook.loads(text)


def test_a_name_fits_a_pattern_as_a_whole() -> None:
    assert task_allowed(["reports.*"], "reports.yearly") and task_allowed(["x", "*"], "any.thing")
    assert not task_allowed(["reports.*"], "my.reports.yearly")
    assert not task_allowed(["reports.?"], "reports.ab") and not task_allowed(["Reports.*"], "reports.a")
    assert not task_allowed([], "a.b")
