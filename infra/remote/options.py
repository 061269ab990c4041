"""The arguments of the commands that call an API. Imports nothing heavy: every command passes here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

STATUSES = ("queued", "scheduled", "deferred", "started", "finished", "failed", "stopped", "canceled")
SHELLS = ("bash", "zsh", "fish", "tcsh")
TASK_NAMES = {
    "bash": "_coatcheck_tasks",
    "zsh": "_coatcheck_tasks",
    "fish": "(coatcheck tasks --quiet 2>/dev/null)",
    "tcsh": "`coatcheck tasks --quiet`",
}
"""How a shell completes the name of a task: by asking the API."""

EPILOG = """\
exit status:
  0  done; of a job that was followed: it finished
  1  the job that was followed failed
  2  wrong arguments, or the API refused them or can't be reached; the last line says what
  3  the job that was followed was canceled or stopped
130  stopped with Ctrl-C
"""

RUN = """\
Submit a job of a task, follow it, and print its result as JSON. What it prints comes on standard error.
'coatcheck run TASK --help' shows the task's own options. Ctrl-C asks the job to stop; a second one leaves at
once.
"""
OUTPUT = "save the result's file there, several in a folder; a result without any as JSON"

SUBMIT = """\
Submit the jobs of a file, all or none, and print the batch's id. The file holds what POST /jobs takes: a JSON
object {"jobs": [...]}, or the list alone, of entries {"task": ..., "arguments": {...}} with any of the
options of 'coatcheck run'. An entry may have a "ref", which others name in "after" and in {"$result": ...}.
"""


def add_commands(commands: Commands) -> None:
    """Add the commands to those of ``coatcheck``."""
    run = _add(commands, "run", "run a task, and follow it to its result", RUN)
    run.usage = "coatcheck run [options] TASK [--ARGUMENT VALUE ...] [@FILE | -]"
    add_run_options(run)
    _completed(run.add_argument("task", metavar="TASK", help="the task's name, such as examples.short_task"))
    run.add_argument(
        "rest", metavar="ARGUMENTS", nargs=argparse.REMAINDER, help="its arguments, and more of these options"
    )

    job = _add(commands, "job", "show, follow, stop or retry a job", "Show a job, or do something with it.")
    job.add_argument("id", metavar="ID", help="the job's id")
    what = job.add_mutually_exclusive_group()
    what.add_argument("--log", action="store_true", help="print what it has printed")
    what.add_argument("--cancel", action="store_true", help="cancel it, or stop it if it runs")
    what.add_argument("--retry", action="store_true", help="run it again")
    job.add_argument("--wait", action="store_true", help="then follow it to its end, and print its result")
    _option(job, None, "--output", metavar="PATH", help=OUTPUT)

    submit = _add(commands, "submit", "submit a batch of jobs from a file", SUBMIT)
    submit.add_argument("file", metavar="FILE", help="the batch as JSON; - reads the standard input")
    submit.add_argument("--wait", action="store_true", help="then wait until all of them are over")
    submit.add_argument("--idempotency-key", metavar="TEXT", help="the same key again gives the same batch")

    batch = _add(
        commands, "batch", "show a batch, wait for it or cancel it", "Show jobs that were submitted together."
    )
    batch.add_argument("id", metavar="ID", help="the batch's id, which each of its jobs tells")
    batch.add_argument("--cancel", action="store_true", help="cancel what waits, stop what runs")
    batch.add_argument("--wait", action="store_true", help="then wait until all of it is over")

    jobs = _add(commands, "jobs", "list jobs, newest first", "List jobs, newest first.")
    jobs.add_argument(
        "--status", choices=STATUSES, metavar="STATUS", help="only those: " + ", ".join(STATUSES)
    )
    jobs.add_argument("--queue", metavar="NAME", help="only those of a queue")
    _completed(jobs.add_argument("--task", metavar="NAME", help="only those of a task"))
    jobs.add_argument("--batch", metavar="ID", help="only those of a batch")
    jobs.add_argument(
        "--limit", type=_limit, default=20, metavar="N", help="how many at most (default: %(default)s)"
    )
    jobs.add_argument("--cursor", metavar="TEXT", help="go on where another list ended, which told this")

    tasks = _add(commands, "tasks", "list the tasks, or show one", "List the tasks, or show one of them.")
    _completed(tasks.add_argument("name", metavar="NAME", nargs="?", help="the task to show"))
    tasks.add_argument("--quiet", action="store_true", help="print the names only")

    queues = _add(
        commands, "queues", "show the queues and their workers", "Show the queues and their workers."
    )
    queues.add_argument("--watch", action="store_true", help="again and again, until Ctrl-C")

    schedules = _add(
        commands,
        "schedules",
        "show the periodic tasks; pause, resume or run one",
        "Show the periodic tasks and when they run, or one of them, or do something with it.",
    )
    _completed(schedules.add_argument("name", metavar="NAME", nargs="?", help="the task to show"))
    what = schedules.add_mutually_exclusive_group()
    what.add_argument("--pause", action="store_true", help="let its ticks pass without a job from now on")
    what.add_argument("--resume", action="store_true", help="let its ticks run again")
    what.add_argument(
        "--run", action="store_true", help="submit a job with its arguments now, and print the job's id"
    )

    page = _add(
        commands, "open", "open the page in a browser", "Open the page in a browser, and print its URL."
    )
    page.add_argument("id", metavar="ID", nargs="?", help="a job, to open its page")

    client = _add(
        commands,
        "client",
        "write what editors need to know the tasks",
        "Write a Python stub that gives editors and type checkers the exact signatures of the tasks.",
    )
    client.add_argument("--stubs", action="store_true", required=True, help="write the stub")
    client.add_argument(
        "--output", default="-", metavar="FILE", help="the file, a .pyi (default: standard output)"
    )
    client.add_argument(
        "--catalog", type=Path, metavar="FILE", help="take the tasks from a catalog.json, not from an API"
    )

    completion = commands.add_parser(
        "completion",
        help="print what makes a shell complete this command",
        description='Print a script for a shell: eval "$(coatcheck completion bash)"',
    )
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def add_api_options(parser: argparse.ArgumentParser, default: Any = None) -> None:
    """Add the options that tell which API is meant. Takes the default of all, None: each its own."""
    group = parser.add_argument_group("which API", "By default that of 'coatcheck up' on this machine.")
    _option(group, default, "--url", metavar="URL", help="its URL (default: COATCHECK_URL)")
    _option(
        group, default, "--target", choices=("aws", "localstack"), help="take the URL from the deployed stack"
    )
    _option(
        group,
        default,
        "--stack",
        metavar="NAME",
        help="the stack's name (default: coatcheck)",
        own="coatcheck",
    )
    _option(group, default, "--region", metavar="NAME", help="the stack's region, or that of --iam")
    _option(
        group,
        default,
        "--token-file",
        type=Path,
        metavar="FILE",
        help="a file with the token to send (default: the token in COATCHECK_TOKEN)",
    )
    _option(
        group,
        default,
        "--iam",
        action="store_true",
        help="sign requests with the AWS credentials; --target aws does so where the stack asks for it",
    )
    _option(
        group,
        default,
        "--data",
        type=Path,
        metavar="FOLDER",
        own=Path(".coatcheck"),
        help="the data folder of 'coatcheck up' (default: .coatcheck)",
    )
    _option(parser, default, "--json", action="store_true", help="print JSON")


def add_run_options(parser: argparse.ArgumentParser, default: Any = None) -> None:
    """Add the options of ``run`` itself, which may stand before and after the task's name."""
    group = parser.add_argument_group("how to run it")
    _option(group, default, "--detach", action="store_true", help="only print the job's id")
    _option(group, default, "--quiet", action="store_true", help="neither log nor progress")
    _option(group, default, "--queue", metavar="NAME", help="the queue, instead of the task's own")
    _option(group, default, "--delay", metavar="SPAN", help="not before that long: 90, 5m, 1h30m")
    _option(group, default, "--at", metavar="TIME", help="not before then: 2030-01-31T18:00:00Z")
    _option(group, default, "--timeout", metavar="SPAN", help="end it after that long")
    _option(group, default, "--callback", metavar="URL", help="a URL that is told of its end")
    _option(
        group,
        default,
        "--after",
        action="append",
        metavar="ID",
        help="a job that must end before; repeatable",
    )
    _option(
        group,
        default,
        "--if-failed",
        choices=("cancel", "run"),
        help="what becomes of it when one of these does not finish (default: cancel)",
    )
    _option(group, default, "--idempotency-key", metavar="TEXT", help="the same key again gives the same job")
    _option(group, default, "--output", metavar="PATH", help=OUTPUT)
    _option(
        group,
        default,
        "--arg",
        action="append",
        metavar="NAME=VALUE",
        help="an argument of the task, also one with the name of an option above",
    )


def _add(commands: Commands, name: str, short: str, description: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=short,
        description=description,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_api_options(parser)
    return parser


def _option(group: Any, default: Any, name: str, own: Any = None, **options: Any) -> None:
    options["default"] = default if default is not None else own
    group.add_argument(name, **options)


def _completed(action: argparse.Action) -> None:
    """Let shells complete a task's name (shtab looks for the attribute)."""
    action.complete = TASK_NAMES  # type: ignore[attr-defined]


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 999999")
    return int(text)
