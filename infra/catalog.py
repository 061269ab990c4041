"""``coatcheck catalog``: the catalogue of the tasks, made by the workers' Python that imports them."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from coatcheck.catalog import Catalog
from coatcheck.errors import CatalogError
from infra.errors import StartError

POLL = 0.05
"""Seconds between two looks at whether to go on."""


def build(environ: Mapping[str, str] | None = None, check: Callable[[], None] = lambda: None) -> str:
    """The text of ``catalog.json``.

    Takes the environment for the tasks' import, and a function that is called while it lasts and may
    raise to end it.

    Raises CatalogError: its message has a line for each fault.
    """
    # This process never imports a task, however heavy: another one does, and ends.
    process = subprocess.Popen(
        [sys.executable, "-m", "worker_image.discovery"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ,
        text=True,
        start_new_session=True,
    )
    try:
        while True:
            check()
            try:
                text, faults = process.communicate(timeout=POLL)
                break
            except subprocess.TimeoutExpired:
                continue
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        raise CatalogError(faults.strip() or f"the tasks can't be imported (status {process.returncode})")
    sys.stderr.write(faults)  # what the tasks' modules printed
    return text


def write(text: str, path: Path) -> None:
    """Write a file whole or not at all. Raises StartError."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise StartError(f"{path} can't be written: {error.strerror}") from error


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck catalog``. Returns the exit status."""
    text = build(os.environ)
    names = len(Catalog.loads(text).tasks)
    if arguments.check is not None:
        if _read(arguments.check) == text:
            return 0
        print(
            f"{arguments.check} is not what the tasks say now; write it anew:"
            f" coatcheck catalog --output {arguments.check}",
            file=sys.stderr,
        )
        return 1
    if arguments.output == "-":
        sys.stdout.write(text)
    else:
        write(text, Path(arguments.output))
        print(f"{arguments.output}: {names} tasks", file=sys.stderr)
    return 0


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None
