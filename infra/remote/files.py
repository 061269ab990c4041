"""The files of arguments and results: sent, saved, and told of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from coatcheck.client import Client, RemoteFile, Ticket
from coatcheck.client.files.remote import safe_name
from infra.errors import StartError
from infra.remote import describe, screen
from infra.remote.task_options import LocalFile

Told = Callable[[int, int], None]


def sent(client: Client, arguments: Mapping[str, Any], quiet: bool) -> dict[str, Any]:
    """The arguments, their files uploaded. A terminal shows how far it is. Raises CoatcheckError."""
    with _bars(quiet) as bar:

        def uploaded(value: Any) -> Any:
            if isinstance(value, list):
                return [uploaded(entry) for entry in value]
            if not isinstance(value, LocalFile):
                return value
            told = bar(f"sending {value.path.name}")
            try:
                return client.upload(value.path, type=value.type, on_progress=told)
            except OSError as error:
                raise StartError(f"{value.path} can't be read: {error.strerror}") from error

        return {name: uploaded(value) for name, value in arguments.items()}


def deliver(ticket: Ticket[Any], output: str | None, *, json: bool, quiet: bool = False) -> None:
    """Print the result of a job that finished, and save its files where ``output`` says.

    A result without files is saved as JSON. Takes whether the whole job is printed instead of the result,
    and whether nothing else is. Raises CoatcheckError.
    """
    if json:
        screen.document(ticket.document)
        if output is None:
            return
    result = ticket.result()
    files = list(_files(result))
    if output is not None:
        with _bars(quiet) as bar:
            saved = _saved(files, output, bar) if files else [_written(result, output)]
        for path in [] if quiet else saved:
            screen.errors().print(screen.safe(f"{path}: written"))
    if not json and (files or output is None):
        screen.document(_plain(result))
    if files and output is None and not quiet:
        names = ", ".join(f"{file.name} ({describe.size(file.size)})" for file in files)
        screen.errors().print(screen.safe(f"'coatcheck job {ticket.id} --output PATH' saves {names}"))


def _saved(files: list[RemoteFile], output: str, bar: Callable[[str], Told]) -> list[Path]:
    """Save one file at a path, or all in a folder, each by a name of its own."""
    path = Path(output)
    try:
        if len(files) == 1 and not path.is_dir() and not output.endswith(os.sep):
            return [files[0].save(path, bar(f"fetching {files[0].name}"))]
        path.mkdir(parents=True, exist_ok=True)
        taken: set[str] = set()
        return [
            file.save(path / _free(safe_name(file.name), taken), bar(f"fetching {file.name}"))
            for file in files
        ]
    except OSError as error:
        raise StartError(f"{output} can't be written: {error.strerror}") from error


def _written(result: Any, output: str) -> Path:
    path = Path(output)
    if path.is_dir():
        path /= "result.json"
    try:
        path.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise StartError(f"{output} can't be written: {error.strerror}") from error
    return path


def _free(name: str, taken: set[str]) -> str:
    """The name, or one like it if another file of the result has it."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{Path(name).stem}-{number}{Path(name).suffix}"
    taken.add(found)
    return found


def _files(value: Any) -> Iterator[RemoteFile]:
    if isinstance(value, RemoteFile):
        yield value
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _files(entry)


def _plain(value: Any) -> Any:
    """The result as JSON: what the API's document tells of each file."""
    if isinstance(value, RemoteFile):
        return value.document
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value


@contextmanager
def _bars(quiet: bool) -> Iterator[Callable[[str], Told]]:
    """Makes a bar for each file that is on its way; only a terminal shows them."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    console = screen.errors()
    with Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    ) as bars:

        def bar(text: str) -> Told:
            row = bars.add_task(screen.safe(text).plain, total=None)
            return lambda done, size: bars.update(row, completed=done, total=size)

        yield bar
