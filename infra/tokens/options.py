"""The arguments of ``coatcheck token``. Imports nothing heavy: every command passes here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from coatcheck.scopes import ALL_TASKS, Scope
from infra.deploy.options import EPILOG, add_target_or_laptop, span

if TYPE_CHECKING:
    from infra.deploy.options import Commands

DEFAULT_SCOPES = (Scope.SUBMIT, Scope.READ)


def add_command(commands: Commands) -> None:
    """Add the command to those of ``coatcheck``."""
    token = commands.add_parser(
        "token",
        help="make, list and revoke the tokens that the API takes",
        description="Make, list and revoke tokens. Changes take effect within a minute, without deploying.",
    )
    actions = token.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = _action(actions, "create", "make a token", "Make a token. It is shown once, and kept as a hash.")
    create.add_argument("name", metavar="NAME", help="who calls with it")
    create.add_argument(
        "--scope",
        type=_scopes,
        default=DEFAULT_SCOPES,
        metavar="SCOPES",
        help="what the caller may do: submit, read, admin, separated by commas (default: submit,read)",
    )
    create.add_argument(
        "--tasks",
        type=_names,
        default=ALL_TASKS,
        metavar="GLOBS",
        help="the tasks that they may use: patterns such as 'reports.*', separated by commas (default: all)",
    )
    create.add_argument(
        "--expires",
        type=_lifetime,
        metavar="SPAN",
        help="how long it is good, such as 90d (default: for ever)",
    )
    _action(actions, "list", "list the tokens", "List the tokens: names and rights, never a token itself.")
    revoke = _action(actions, "revoke", "revoke a token", "Revoke a token. It ends within a minute.")
    revoke.add_argument("name", metavar="NAME", help="whose token")


def _action(actions: Commands, name: str, short: str, description: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=short,
        description=description,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_target_or_laptop(parser)
    return parser


def _scopes(text: str) -> tuple[Scope, ...]:
    try:
        return tuple(dict.fromkeys(Scope(part.strip()) for part in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} should be some of {', '.join(Scope)}") from None


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _lifetime(text: str) -> int:
    if not (seconds := span(text)):
        raise argparse.ArgumentTypeError("a token that is good for no time is none")
    return seconds
