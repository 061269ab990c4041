"""The arguments of ``coatcheck secret``. Imports nothing heavy: every command passes here."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from infra.deploy.options import EPILOG, add_target_or_laptop

if TYPE_CHECKING:
    from infra.deploy.options import Commands


def add_command(commands: Commands) -> None:
    """Add the command to those of ``coatcheck``."""
    parser = commands.add_parser(
        "secret",
        help="show or renew the secret that callbacks are signed with",
        description="Print the secret (whsec_...) by which a receiver knows that a callback is genuine. Each"
        " caller's jobs have their own.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name",
        nargs="?",
        default="",
        metavar="NAME",
        help="whose jobs: the name of a token (default: the jobs of an API that asks nobody)",
    )
    parser.add_argument(
        "--rotate",
        action="store_true",
        help="make a new secret first; callbacks are signed with the last one too, until the next time",
    )
    add_target_or_laptop(parser)
