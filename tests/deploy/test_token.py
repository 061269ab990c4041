"""``coatcheck token``, as one calls it: on a laptop's file, and on a stack's secret (moto's)."""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from coatcheck.scopes import Scope
from coatcheck.token_store import FileStore, SecretStore, TokenStore
from infra.cli import main
from infra.deploy.target import Target
from infra.tokens import command
from tests.deploy import answers

TOKEN = re.compile(r"cc_[A-Za-z0-9]{12}_[A-Za-z0-9]{40}\n")


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments for a laptop's file."""
    monkeypatch.delenv("COATCHECK_TOKENS", raising=False)
    return ["--target", "local", "--data", str(tmp_path / "data")]


@pytest.fixture
def secret(
    target: Target, stub: Callable[..., Stubber], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., SecretStore]:
    """A stack with a secret, or without: ``secret(made=False)``."""
    monkeypatch.setattr("infra.deploy.target.open_target", lambda *_: target)

    def secret(made: bool = True) -> SecretStore:
        client = target.client("secretsmanager")
        arn = client.create_secret(Name="desk-Tokens-x")["ARN"]
        cloudformation = stub(target, "cloudformation")
        resources = [("Tokens", "AWS::SecretsManager::Secret", arn)] if made else []
        for _ in range(6):
            cloudformation.add_response("describe_stacks", answers.stacks("UPDATE_COMPLETE"))
            cloudformation.add_response("list_stack_resources", answers.resources(*resources))
        return SecretStore(arn, client)

    return secret


def only(store: TokenStore) -> Any:
    [token] = store.read().tokens.values()
    return token


def test_a_token_is_made_shown_once_and_kept_as_a_hash(
    local: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", "create", "ann", *local]) == 0
    shown = capsys.readouterr()
    assert TOKEN.fullmatch(shown.out), "the token alone, so that a script can take it"
    assert "only time" in shown.err and "ann may submit, read: all tasks, until it is revoked." in shown.err
    path = tmp_path / "data" / "tokens.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert FileStore(path).read().find(shown.out.strip(), time.time())
    assert shown.out.strip().rpartition("_")[2] not in path.read_text()


def test_it_is_told_whatever_becomes_of_it_in_that_moment(
    local: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    change = FileStore.change

    def overtaken(store: FileStore, made: Any) -> None:
        change(store, made)
        change(store, lambda book: book.revoke("ann"))

    monkeypatch.setattr(FileStore, "change", overtaken)
    assert main(["token", "create", "ann", *local]) == 0
    assert TOKEN.fullmatch(capsys.readouterr().out)


def test_its_rights_and_its_end_are_as_told(
    local: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--scope", "read, submit,read", "--tasks", "a.*, b.c", "--expires", "90d", "--json"]
    assert main(["token", "create", "ann", *options, *local]) == 0
    document = json.loads(capsys.readouterr().out)
    token = only(FileStore(tmp_path / "data" / "tokens.json"))
    assert token.scopes == (Scope.READ, Scope.SUBMIT) and token.tasks == ("a.*", "b.c")
    assert token.expires - token.created == 90 * 24 * 3600
    assert TOKEN.fullmatch(document["token"] + "\n")
    assert (document["scopes"], document["tasks"]) == (["read", "submit"], ["a.*", "b.c"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["expires"])


def test_the_list_tells_of_all_and_never_a_token(
    local: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["token", "create", "bob", "--scope", "admin", *local])
    main(["token", "create", "ann", "--tasks", "a.*", *local])
    store = FileStore(tmp_path / "data" / "tokens.json")
    store.change(lambda book: book.create("cid", now=time.time() - 100, lifetime=60)[0])
    made = capsys.readouterr().out.split()
    assert main(["token", "list", *local]) == 0
    shown = capsys.readouterr().out
    lines = [re.sub(" +", " ", line) for line in shown.splitlines()]
    assert lines[0] == "NAME SCOPES TASKS CREATED EXPIRES"
    assert [line.split()[0] for line in lines[1:]] == ["ann", "bob", "cid"]
    assert lines[1].startswith("ann submit,read a.* ") and lines[1].endswith("Z never")
    assert lines[3].endswith("Z (expired)")
    assert main(["token", "list", "--json", *local]) == 0
    shown += capsys.readouterr().out
    for token in made:
        assert token not in shown and token.rpartition("_")[2] not in shown
    assert not re.search("[0-9a-f]{64}", shown), "nor a hash"


def test_a_revoked_one_is_gone(local: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["token", "create", "ann", *local])
    assert main(["token", "revoke", "ann", *local]) == 0
    assert "within a minute" in capsys.readouterr().err
    assert FileStore(tmp_path / "data" / "tokens.json").read().tokens == {}
    main(["token", "create", "ann", *local])
    capsys.readouterr()
    assert main(["token", "revoke", "ann", "--json", *local]) == 0
    assert json.loads(capsys.readouterr().out) == {"revoked": "ann"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "a b"], "coatcheck: 'a b' is no name for a token"),
        (["create", "taken"], "coatcheck: there is a token 'taken' already"),
        (["create", "ann", "--tasks", "[a]"], "coatcheck: '[a]' is no pattern of tasks"),
        (["create", "ann", "--scope", "write"], "'write' should be some of submit, read, admin"),
        (["create", "ann", "--expires", "0d"], "good for no time"),
        (["create", "ann", "--expires", "soon"], "should be like 90s, 10m, 2h or 1d"),
        (["revoke", "nobody"], "coatcheck: there is no token 'nobody'"),
        ([], "ACTION"),
    ],
)
def test_what_is_wrong_is_told(
    arguments: list[str], told: str, local: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["token", "create", "taken", *local])
    capsys.readouterr()
    with catching() as status:
        status.append(main(["token", *arguments, *(local if arguments else [])]))
    assert status == [2]
    assert told in capsys.readouterr().err


@contextmanager
def catching() -> Iterator[list[int]]:
    """What the command ends with, whether it returns or argparse exits."""
    status: list[int] = []
    try:
        yield status
    except SystemExit as exit_:
        status.append(int(str(exit_.code)))


def test_a_stacks_tokens_are_in_its_secret(
    secret: Callable[..., SecretStore], capsys: pytest.CaptureFixture[str]
) -> None:
    store = secret()
    assert main(["token", "create", "ann", "--scope", "admin", "--stack", "desk"]) == 0
    text = capsys.readouterr().out.strip()
    assert store.read().find(text, time.time()) == only(store)
    assert main(["token", "create", "bob", "--stack", "desk"]) == 0
    assert main(["token", "list", "--stack", "desk"]) == 0
    assert re.search(r"^ann +admin", capsys.readouterr().out, re.MULTILINE)
    assert main(["token", "revoke", "ann", "--stack", "desk"]) == 0
    assert only(store).name == "bob"


def test_a_stack_that_takes_no_tokens_says_how_it_would(
    secret: Callable[..., SecretStore], capsys: pytest.CaptureFixture[str]
) -> None:
    secret(made=False)
    assert main(["token", "list", "--stack", "desk"]) == 2
    told = capsys.readouterr().err
    assert "desk takes no tokens; let it: coatcheck deploy --stack desk --parameter AuthMode=tokens" in told


def test_what_aws_refuses_is_told_in_a_sentence(
    secret: Callable[..., SecretStore],
    target: Target,
    stub: Callable[..., Stubber],
    capsys: pytest.CaptureFixture[str],
) -> None:
    secret()
    stub(target, "secretsmanager").add_client_error(
        "get_secret_value", "AccessDeniedException", "not for you"
    )
    assert main(["token", "create", "ann", "--stack", "desk"]) == 2
    assert capsys.readouterr().err == (
        "coatcheck: AWS refused GetSecretValue (AccessDeniedException): not for you\n"
    )


def test_another_file_is_taken_where_the_setting_names_one(tmp_path: Path) -> None:
    assert command.local_place(tmp_path, {}) == tmp_path / "tokens.json"
    assert command.local_place(tmp_path, {"COATCHECK_TOKENS": "/etc/tokens"}) == Path("/etc/tokens")
