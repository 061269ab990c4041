"""The arguments of the commands for AWS and LocalStack. Imports nothing heavy: every command passes here."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EPILOG = """\
exit status:
  0  done; nothing to change counts as done
  1  AWS tried and failed; the first line names the resource and the reason
  2  wrong arguments, missing credentials, region or tool; nothing was changed
  3  not confirmed, or refused since it would lose data; nothing was changed
130  stopped with Ctrl-C; an operation that CloudFormation has begun goes on
"""

SPAN = re.compile(r"([0-9]{1,6})([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

COMMANDS = {
    "deploy": (
        "bring the project to AWS or LocalStack, or up to date there",
        "Build the function package and the worker image, show what would change, and change it."
        " The first line of output is the URL.",
    ),
    "diff": (
        "show what deploy would change",
        "Build the function package and show what 'deploy' would change, without a new worker image.",
    ),
    "status": (
        "tell how the stack is",
        "Tell the stack's state, its URL, and what failed last; the exit status is 1 if something did.",
    ),
    "outputs": ("print the stack's outputs", "Print the stack's outputs, the URL among them."),
    "logs": (
        "show the logs of the API and the workers",
        "Show what the API and the workers have logged, merged in the order of time.",
    ),
    "destroy": (
        "delete the stack, and name what is kept",
        "Delete the stack and its artefacts. Snapshots of the data, and what the template says to keep,"
        " stay and are named.",
    ),
}
"""Each command's help and description."""


def add_commands(commands: Commands) -> None:
    """Add the commands to those of ``coatcheck``."""
    common = _common()
    for name, (short, description) in COMMANDS.items():
        parser = commands.add_parser(
            name,
            parents=[common],
            help=short,
            description=description,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in ("deploy", "diff"):
            parser.add_argument(
                "--package",
                type=Path,
                metavar="FOLDER",
                help="take the function package that 'coatcheck package' has written there",
            )
        if name == "deploy":
            parser.add_argument(
                "--rebuild-image",
                action="store_true",
                help="build the worker image again though nothing in it has changed, for a newer base",
            )
            parser.add_argument(
                "--allow-replace",
                action="append",
                default=[],
                metavar="NAME",
                help="let this resource be replaced or deleted although it holds data",
            )
        elif name == "logs":
            parser.add_argument("--follow", action="store_true", help="go on with what comes, until Ctrl-C")
            parser.add_argument(
                "--since",
                type=span,
                default="10m",
                metavar="SPAN",
                help="how far back (default: %(default)s)",
            )


def _common() -> argparse.ArgumentParser:
    """The options of all these commands, so that a script can pass the same ones to each."""
    common = argparse.ArgumentParser(add_help=False)
    add_target(common, "aws", "localstack")
    common.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of template.yaml, for deploy and diff; what is not given stays as it is",
    )
    common.add_argument(
        "--public-endpoint",
        metavar="URL",
        help="LocalStack as the URL's readers reach it (default: AWS_ENDPOINT_URL, else http://localhost:4566)",
    )
    common.add_argument("--yes", action="store_true", help="confirm whatever would be asked")
    return common


def add_target(parser: argparse.ArgumentParser, *targets: str) -> None:
    """Add the options that tell which stack is meant, of which targets, and in what form to answer."""
    parser.add_argument("--target", choices=targets, default=targets[0], help="where (default: %(default)s)")
    parser.add_argument(
        "--stack", default="coatcheck", metavar="NAME", help="the stack's name (default: %(default)s)"
    )
    parser.add_argument("--region", metavar="NAME", help="the region (default: AWS_REGION, or the profile's)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def add_target_or_laptop(parser: argparse.ArgumentParser) -> None:
    """The same, with this laptop as a further target and the folder where it keeps its data."""
    add_target(parser, "aws", "localstack", "local")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(".coatcheck"),
        metavar="FOLDER",
        help="with --target local: the folder of 'coatcheck up' (default: %(default)s)",
    )


def span(text: str) -> int:
    """Seconds of a text such as ``10m``."""
    if not (match := SPAN.fullmatch(text)):
        raise argparse.ArgumentTypeError(f"{text!r} should be like 90s, 10m, 2h or 1d")
    return int(match[1]) * SECONDS[match[2]]
