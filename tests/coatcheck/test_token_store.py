"""Where tokens are kept: a file, and a secret of Secrets Manager (moto's)."""

from __future__ import annotations

import math
import multiprocessing
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from coatcheck.errors import TokenError
from coatcheck.token_store import FileStore, SecretStore, TokenCheck, TokenStore, open_store
from coatcheck.tokens import TokenBook


def add(store: TokenStore, name: str, **options: Any) -> str:
    """Make a token. Returns it."""
    made = ""

    def create(book: TokenBook) -> TokenBook:
        nonlocal made
        book, made = book.create(name, now=time.time(), **options)
        return book

    store.change(create)
    return made


def names(store: TokenStore) -> list[str]:
    return sorted(token.name for token in store.read().tokens.values())


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("secretsmanager", "eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.fixture
def arn(client: Any) -> str:
    """A secret as the template makes it: without a value."""
    return str(client.create_secret(Name="Tokens-1")["ARN"])


@pytest.fixture(params=["file", "secret"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TokenStore:
    if request.param == "file":
        return FileStore(tmp_path / "data" / "tokens.json")
    client = request.getfixturevalue("client")
    return SecretStore(request.getfixturevalue("arn"), client)


def test_it_is_empty_at_first_and_keeps_what_is_put_in(store: TokenStore) -> None:
    assert names(store) == []
    for name in ("ann", "bob", "cid"):
        add(store, name)
    store.change(lambda book: book.revoke("bob"))
    assert names(store) == ["ann", "cid"]


def test_a_change_that_fails_changes_nothing(store: TokenStore) -> None:
    add(store, "ann")
    with pytest.raises(TokenError, match="already"):
        add(store, "ann")
    assert names(store) == ["ann"]


def test_a_token_is_found_at_once_and_not_after_it_is_revoked(store: TokenStore) -> None:
    clock = [0.0]
    check = TokenCheck(store, lambda: clock[0])
    assert check.find("cc_nonsense") is None
    text = add(store, "ann")
    clock[0] += 2.0
    assert check.find(text) is not None
    store.change(lambda book: book.revoke("ann"))
    clock[0] += 20.0
    assert check.find(text) is None


class CountingStore(SecretStore):
    """Counts how often it is read."""

    reads = 0

    def read(self) -> TokenBook:
        self.reads += 1
        return super().read()


def test_a_secret_is_read_seldom_even_for_tokens_that_nobody_knows(client: Any, arn: str) -> None:
    store, clock = CountingStore(arn, client), [0.0]
    text = add(store, "ann")
    check = TokenCheck(store, lambda: clock[0])
    for _ in range(100):
        assert check.find(text)
        assert check.find(text.replace("cc_", "cd_")) is None
        assert check.find(text[::-1].replace("_cc", "x")) is None
    assert store.reads == 1
    wrong = text[:-1] + ("a" if text[-1] != "a" else "b")
    for _ in range(100):
        clock[0] += 0.1
        assert check.find(wrong) is None
    assert store.reads <= 7


def test_a_file_is_read_only_when_it_has_changed(tmp_path: Path) -> None:
    class Counting(FileStore):
        reads = 0

        def read(self) -> TokenBook:
            self.reads += 1
            return super().read()

    store = Counting(tmp_path / "tokens.json")
    text = add(store, "ann")
    before = store.reads
    check = TokenCheck(store)
    assert all(check.find(text) for _ in range(50))
    assert store.reads == before + 1
    other = add(store, "bob")
    assert check.find(other)
    assert store.keep == math.inf


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        add(FileStore(tmp_path / "data" / "tokens.json"), "ann")
        add(FileStore(tmp_path / "data" / "tokens.json"), "bob")
    finally:
        os.umask(old)
    path = tmp_path / "data" / "tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["tokens.json", "tokens.json.lock"]


def add_many(path: str, writer: int) -> None:
    for number in range(10):
        add(FileStore(Path(path)), f"w{writer}-{number}")


def test_no_writer_of_the_file_loses_what_another_wrote(tmp_path: Path) -> None:
    path = str(tmp_path / "tokens.json")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=add_many, args=(path, writer)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert len(names(FileStore(Path(path)))) == 30


def test_no_writer_of_the_secret_loses_what_another_wrote(client: Any, arn: str) -> None:
    class Overtaken(SecretStore):
        """Another writer comes between its reading and its writing, the first two times."""

        overtakers = 2

        def _replace(self, text: str, previous: str | None) -> bool:
            if self.overtakers:
                self.overtakers -= 1
                add(SecretStore(arn, client), f"other-{self.overtakers}")
            return super()._replace(text, previous)

    add(Overtaken(arn, client), "ann")
    assert names(SecretStore(arn, client)) == ["ann", "other-0", "other-1"]


def test_two_first_writers_of_a_secret_do_not_lose_each_other(client: Any, arn: str) -> None:
    threads = [threading.Thread(target=add, args=(SecretStore(arn, client), name)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(SecretStore(arn, client)) == ["ann", "bob"]


def test_who_is_overtaken_again_and_again_is_told(
    client: Any, arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coatcheck.token_store.PAUSE", 0)

    class Unlucky(SecretStore):
        def _replace(self, text: str, previous: str | None) -> bool:
            return False

    with pytest.raises(TokenError, match="somebody else changes the tokens at this moment"):
        add(Unlucky(arn, client), "ann")


def test_a_secret_that_is_full_says_so_and_stays_as_it_is(client: Any, arn: str) -> None:
    store = SecretStore(arn, client)
    add(store, "ann")

    def many(book: TokenBook) -> TokenBook:
        for number in range(400):
            book, _ = book.create(f"n{number}", now=0)
        return book

    with pytest.raises(TokenError, match=r"would take \d+ bytes, and a secret holds 65536: revoke"):
        store.change(many)
    assert names(store) == ["ann"]


def test_250_tokens_fit_into_a_secret(client: Any, arn: str) -> None:
    store = SecretStore(arn, client)

    def many(book: TokenBook) -> TokenBook:
        for number in range(250):
            book, _ = book.create(f"somebody-{number}", now=time.time(), lifetime=90)
        return book

    store.change(many)
    assert len(names(store)) == 250


def test_a_secret_that_is_not_there_lets_nobody_in_and_takes_nothing(client: Any, arn: str) -> None:
    store = SecretStore(arn.replace("Tokens", "Nothing"), client)
    assert store.read() == TokenBook()
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        add(store, "ann")


@pytest.mark.parametrize("text", ["{", "\xff\xfe"])
def test_a_file_that_can_not_be_read_lets_nobody_in(text: str, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(TokenError):
        TokenCheck(FileStore(path)).find("cc_" + "a" * 12 + "_" + "b" * 40)
    with pytest.raises(TokenError):
        add(FileStore(path), "ann")
    assert path.read_text(encoding="latin-1") == text


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TokenError, match=r"tokens\.json can't be written"):
        add(FileStore(tmp_path / "file" / "tokens.json"), "ann")


def test_the_place_tells_which_kind_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert isinstance(open_store(str(tmp_path / "tokens.json")), FileStore)
    store = open_store("arn:aws:secretsmanager:eu-west-1:123456789012:secret:Tokens-1")
    assert isinstance(store, SecretStore)
    assert store._client.meta.region_name == "eu-west-1"
