"""The ``coatcheck`` command: reads its arguments and calls the module of the command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from coatcheck import __version__
from coatcheck.errors import CoatcheckError, ProblemError
from infra.callbacks import options as callback_options
from infra.deploy import options
from infra.remote import options as remote_options
from infra.tokens import options as token_options

EPILOG = """\
exit status:
  0  done, or stopped as asked
  1  the check failed (catalog --check), or doctor found something, or with --repair had to leave something
  2  wrong arguments, settings or tasks, or a part that can't be built or started; the last line says what
 78  the same, from 'worker': no restart can help

The commands for AWS and LocalStack have some of their own: coatcheck deploy --help

Settings come from the environment; docs/settings.md lists them.
"""

OURS = ("coatcheck", "functions", "chalicelib", "app", "infra", "worker_image")
"""Packages that are never missing but by a fault of ours."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="coatcheck",
        description="Tickets for slow work: a job queue behind an HTTP API.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"coatcheck {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    up = commands.add_parser(
        "up",
        help="run the page, the API, a Redis and the workers on this machine",
        description="Run everything on this machine until Ctrl-C. The first line of output is the URL.",
    )
    up.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    up.add_argument("--port", type=_port, help="port to listen on (default: the first free one from 8000 on)")
    up.add_argument(
        "--workers", type=_count, metavar="N", help="worker processes (default: one for each core)"
    )
    up.add_argument(
        "--data",
        type=Path,
        default=Path(".coatcheck"),
        metavar="FOLDER",
        help="where the jobs are kept, unless REDIS_URL is set (default: %(default)s)",
    )
    up.add_argument(
        "--verbose", action="store_true", help="log reading requests too, not only those that change"
    )

    catalog = commands.add_parser(
        "catalog",
        help="build catalog.json from the tasks, or tell what is wrong with one",
        description="Import the tasks and write what the API needs to know about them.",
    )
    where = catalog.add_mutually_exclusive_group()
    where.add_argument(
        "--output",
        default="functions/catalog.json",
        metavar="FILE",
        help="file to write; - is the standard output (default: %(default)s)",
    )
    where.add_argument(
        "--check", type=Path, metavar="FILE", help="write nothing, but fail if FILE is not what the tasks say"
    )

    package = commands.add_parser(
        "package",
        help="build the function package for Lambda, and try it",
        description="Build what goes to Lambda: deployment.zip, template.json (Chalice's) and catalog.json.",
    )
    package.add_argument(
        "--output",
        type=Path,
        default=Path("build"),
        metavar="FOLDER",
        help="where to write the files (default: %(default)s)",
    )

    doctor = commands.add_parser(
        "doctor",
        help="find what is wrong with the jobs in Redis; --repair mends it",
        description="Read all that Redis holds of the namespace, and report every inconsistency. A finding"
        " counts only if a second look confirms it, so a busy system gives no false alarm.",
        epilog="exit status:\n  0  nothing is wrong, or --repair has mended all of it\n"
        "  1  something is wrong, or --repair had to leave something as it is\n"
        "  2  it can't be told: no server, or wrong settings",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument("--repair", action="store_true", help="mend it, and tell what was done")
    doctor.add_argument("--json", action="store_true", help="print a JSON document")
    doctor.add_argument(
        "--url",
        metavar="REDIS_URL",
        help="the server (default: that of REDIS_URL, else that of 'coatcheck up')",
    )
    doctor.add_argument(
        "--data",
        type=Path,
        default=Path(".coatcheck"),
        metavar="FOLDER",
        help="the data folder of 'coatcheck up' (default: %(default)s)",
    )

    commands.add_parser(
        "worker",
        help="run workers only, for the Redis of REDIS_URL",
        description="Run a pool of workers, as the worker's container does, until SIGTERM or Ctrl-C.",
    )
    options.add_commands(commands)
    token_options.add_command(commands)
    remote_options.add_commands(commands)
    callback_options.add_command(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Takes its arguments (default: the process' own); returns the exit status."""
    parsed = build_parser().parse_args(arguments)
    try:
        return _run(parsed)
    except CoatcheckError as error:
        told = error.detail if isinstance(error, ProblemError) else error
        print(f"coatcheck: {told}", file=sys.stderr)
        for line in _details(error):
            print(f"  {line}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if not error.name or error.name.partition(".")[0] in OURS:
            raise
        print(
            f"coatcheck: '{parsed.command}' needs the package {error.name}, which is not installed here; "
            "in a clone 'make up' installs all into .venv",
            file=sys.stderr,
        )
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough, as with "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _details(error: CoatcheckError) -> list[str]:
    """What an error says beside its sentence: each wrong field, and notes."""
    fields = error.errors if isinstance(error, ProblemError) else ()
    return [f"{field.pointer}: {field.detail}" for field in fields] + getattr(error, "__notes__", [])


def _run(parsed: argparse.Namespace) -> int:
    # A command imports only what it needs: 'catalog' no Chalice, 'worker' no HTTP server.
    match parsed.command:
        case "up":
            from infra.up import run
        case "secret":
            from infra.callbacks.command import run
        case "catalog":
            from infra.catalog import run
        case "doctor":
            from infra.doctor import run
        case "package":
            from infra.package.command import run
        case "token":
            from infra.tokens.command import run
        case "worker":
            from infra.worker import run
        case "run":
            from infra.remote.run import run
        case "job":
            from infra.remote.job import run
        case "jobs":
            from infra.remote.jobs import run
        case "tasks":
            from infra.remote.tasks import run
        case "queues":
            from infra.remote.queues import run
        case "submit":
            from infra.remote.submit import run
        case "batch":
            from infra.remote.batch import run
        case "schedules":
            from infra.remote.schedules import run
        case "open":
            from infra.remote.page import run
        case "client":
            from infra.remote.stubs import run
        case "completion":
            from infra.remote import completion

            return completion.run(parsed.shell, build_parser())
        case _:
            from infra.deploy.commands import run
    return run(parsed)


def _port(text: str) -> int:
    return _number(text, 0, 65535)


def _count(text: str) -> int:
    return _number(text, 1, 256)


def _number(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
    return int(text)
