"""Carries out ``coatcheck secret``."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coatcheck import callback_secret
from infra.deploy.console import Console
from infra.deploy.errors import DeployError

FILE = "callback-secret"
"""The secret of ``coatcheck up``, below its folder of data."""
SECRET = "CallbackSecret"  # noqa: S105
"""The logical id of the stack's secret."""


def run(arguments: Namespace) -> int:
    """Carry out the command. Returns the exit status. Raises SecretError."""
    console = Console(False, sys.stdin, sys.stdout, sys.stderr)
    try:
        text = _local(arguments) if arguments.target == "local" else _deployed(arguments)
    except DeployError as error:
        console.tell(f"coatcheck: {error}")
        return error.status
    console.result(callback_secret.secret_of(callback_secret.parse(text)[0], arguments.name))
    return 0


def local_place(data: Path, environ: Mapping[str, str]) -> Path:
    """The file with the secret of ``coatcheck up``. Takes its folder of data and the environment."""
    return Path(environ.get("COATCHECK_CALLBACK_SECRET") or data / FILE).absolute()


def provide(path: Path) -> None:
    """Make the file with a new secret, unless it is there. Raises SecretError."""
    if not path.exists():
        callback_secret.keep(path, [callback_secret.new_master()])


def _local(arguments: Namespace) -> str:
    path = local_place(arguments.data, os.environ)
    provide(path)
    callback_secret.read(str(path))
    if arguments.rotate:
        callback_secret.keep(path, _rotated(path.read_text()))
    return path.read_text()


def _deployed(arguments: Namespace) -> str:
    # boto3 takes its time, and the secret of a laptop needs none of it.
    from infra.deploy.errors import aws_errors
    from infra.deploy.stack import Stack
    from infra.deploy.target import open_target

    with aws_errors():
        target = open_target(arguments.target, os.environ, arguments.region)
        stack = Stack(target, arguments.stack)
        arn = stack.existing_id(SECRET)
        if arn is None:
            raise DeployError(
                f"{stack.name} sends no callbacks; let it: {stack.command('deploy')} --parameter Callbacks=on"
            )
        return _secret_text(target.client("secretsmanager"), arn, arguments.rotate)


def _secret_text(client: Any, arn: str, rotate: bool) -> str:
    text = str(client.get_secret_value(SecretId=arn)["SecretString"])
    if rotate:
        text = "\n".join(_rotated(text))
        client.put_secret_value(SecretId=arn, SecretString=text)
    return text


def _rotated(text: str) -> list[str]:
    """The lines of a text of master secrets with a new one in front."""
    return [callback_secret.new_master(), *text.split()][: callback_secret.MASTERS]
