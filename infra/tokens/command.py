"""Carries out ``coatcheck token create``, ``list`` and ``revoke``."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coatcheck.token_store import FileStore, SecretStore, TokenStore
from coatcheck.tokens import Token, TokenBook
from infra.deploy.console import Console, table
from infra.deploy.errors import DeployError

FILE = "tokens.json"
"""The tokens of ``coatcheck up``, below its folder of data."""
SECRET = "Tokens"  # noqa: S105
"""The logical id of the stack's secret."""


def run(arguments: Namespace) -> int:
    """Carry out a command. Returns the exit status.

    Raises TokenError, for a name that is taken or unknown, say.
    """
    console = Console(False, sys.stdin, sys.stdout, sys.stderr)
    try:
        with _opened(arguments, os.environ) as store:
            {"create": _create, "list": _list, "revoke": _revoke}[arguments.action](store, arguments, console)
    except DeployError as error:
        console.tell(f"coatcheck: {error}")
        return error.status
    return 0


def local_place(data: Path, environ: Mapping[str, str]) -> Path:
    """The file with the tokens of ``coatcheck up``. Takes its folder of data and the environment."""
    return Path(environ.get("COATCHECK_TOKENS") or data / FILE).absolute()


@contextmanager
def _opened(arguments: Namespace, environ: Mapping[str, str]) -> Iterator[TokenStore]:
    """Where the tokens of the target are. Raises DeployError, also for what AWS refuses within."""
    if arguments.target == "local":
        yield FileStore(local_place(arguments.data, environ))
        return
    # boto3 takes its time, and the tokens of a laptop need none of it.
    from infra.deploy.errors import aws_errors
    from infra.deploy.stack import Stack
    from infra.deploy.target import open_target

    with aws_errors():
        target = open_target(arguments.target, environ, arguments.region)
        stack = Stack(target, arguments.stack)
        arn = stack.existing_id(SECRET)
        if arn is None:
            raise DeployError(
                f"{stack.name} takes no tokens; let it: {stack.command('deploy')} --parameter AuthMode=tokens"
            )
        yield SecretStore(arn, target.client("secretsmanager"))


def _create(store: TokenStore, arguments: Namespace, console: Console) -> None:
    made, kept = "", TokenBook()

    def create(book: TokenBook) -> TokenBook:
        nonlocal made, kept
        kept, made = book.create(
            arguments.name,
            now=time.time(),
            scopes=arguments.scope,
            tasks=arguments.tasks,
            lifetime=arguments.expires,
        )
        return kept

    store.change(create)
    # Not read again: what cannot be told any more must not depend on anything that may go wrong now.
    token = next(token for token in kept.tokens.values() if token.name == arguments.name)
    if arguments.json:
        console.document({"token": made, **_document(token)})
        return
    console.result(made)
    console.tell(f"This is the only time that it is shown. {_described(token)}")


def _list(store: TokenStore, arguments: Namespace, console: Console) -> None:
    tokens = sorted(store.read().tokens.values(), key=lambda token: token.name)
    if arguments.json:
        console.document({"tokens": [_document(token) for token in tokens]})
        return
    rows = [("NAME", "SCOPES", "TASKS", "CREATED", "EXPIRES")]
    for token in tokens:
        expires = _time(token.expires) or "never"
        if token.expired(time.time()):
            expires += " (expired)"
        rows.append(
            (token.name, ",".join(token.scopes), ",".join(token.tasks), str(_time(token.created)), expires)
        )
    console.result(table(rows, indent=""))


def _revoke(store: TokenStore, arguments: Namespace, console: Console) -> None:
    store.change(lambda book: book.revoke(arguments.name))
    if arguments.json:
        console.document({"revoked": arguments.name})
    else:
        console.tell(f"{arguments.name} is revoked: its token ends within a minute.")


def _described(token: Token) -> str:
    end = f"until {_time(token.expires)}" if token.expires else "until it is revoked"
    tasks = "all tasks" if token.tasks == ("*",) else ", ".join(token.tasks)
    return f"{token.name} may {', '.join(token.scopes)}: {tasks}, {end}."


def _document(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "scopes": list(token.scopes),
        "tasks": list(token.tasks),
        "created": _time(token.created),
        "expires": _time(token.expires),
        "expired": token.expired(time.time()),
    }


def _time(seconds: int | None) -> str | None:
    """A time in RFC 3339."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
