"""What type checkers make of the client: the examples of its page, and of what it returns."""

from __future__ import annotations

import atexit
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from infra.remote.stubs import text
from tests.support.processes import ROOT
from worker_image.discovery import catalog_of, discover

USE = """\
from typing import Any, assert_type

from coatcheck.client import AsyncClient, AsyncTicket, Client, Job, Order, Ticket, Update

client = Client("http://127.0.0.1:8000")
assert_type(client.tasks.examples.short_task(), Ticket[Any])
assert_type(client.submit("a.b", {"c": 1}), Ticket[Any])
assert_type(client.submit_order(Order[int]("a.b")).result(), int)
assert_type(client.submit("a.b").refresh(), Job)
for update in client.submit("a.b"):
    assert_type(update, Update)


async def main() -> None:
    async with AsyncClient() as client:
        assert_type(await client.tasks.examples.short_task(), AsyncTicket[Any])
        assert_type(await (await client.submit_order(Order[int]("a.b"))).result(), int)
        async for ticket in client.as_completed(await client.submit_many([Order[int]("a.b")])):
            assert_type(ticket, AsyncTicket[int])
"""


@cache
def _known() -> str:
    """What mypy knows of httpx and the client already, for one process of the test run."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def checked(folder: Path, **modules: str) -> str:
    """What mypy says of modules under its strict rules, with the client as installed."""
    for name, code in modules.items():
        (folder / f"{name}.py").write_text(code)
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir",
        str(folder / "cache"),
    ]
    done = subprocess.run(
        # Silent about what they import, as mypy is about what is installed.
        [*command, "--warn-unreachable", "--follow-imports=silent", *(f"{name}.py" for name in modules)],
        cwd=folder,
        env={"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def shipped_stub() -> str:
    """The stub of the shipped tasks."""
    names = ("name", "description", "schema", "result")
    tasks = catalog_of(discover("worker_image.tasks")).tasks
    return text([{name: getattr(task, name) for name in names} for task in tasks])


def examples() -> str:
    """All Python of docs/client.md, as one module."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "client.md").read_text(), re.DOTALL)
    assert len(blocks) >= 4
    return "\n".join(blocks)


def test_the_pages_examples_and_the_clients_types_pass_strict_checks(tmp_path: Path) -> None:
    (tmp_path / "tasks.pyi").write_text(shipped_stub())
    wrong = 'from coatcheck.client import Client\nClient(1).submit("a.b", 2)\n'
    said = checked(tmp_path, examples=examples(), use=USE, wrong=wrong)
    assert [line.split(": error:")[0] for line in said.splitlines()[:-1]] == ["wrong.py:2"] * 2, said
