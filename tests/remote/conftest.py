"""The product, and the commands as somebody calls them on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from coatcheck.client import Client
from tests.client.conftest import product
from tests.client.scripted import JOB
from tests.infra.product import Product, start
from tests.support.processes import ROOT
from tests.support.terminal import Terminal

__all__ = ["product", "start"]


OURS = ("COATCHECK_", "AWS_", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "BROWSER")
"""Variables of the environment, or how they begin, that a command must only have from the test."""


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


class Shell:
    """Calls commands on the product, through a pipe or in a terminal."""

    def __init__(self, data: Path, home: Path) -> None:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("COATCHECK_", "AWS_"))
        }
        for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "BROWSER"):
            kept.pop(name, None)
        self.data = data
        self.environ = {**kept, "PYTHONPATH": str(ROOT), "HOME": str(home)}
        self.home = home

    def command(self, *words: str) -> list[str]:
        """The command line of words that begin with a command's name."""
        place = [] if {"--url", "--data", "completion"} & {*words} else ["--data", str(self.data)]
        return [sys.executable, "-m", "infra", words[0], *place, *words[1:]]

    def piped(self, *words: str, typed: str = "", **variables: str) -> Done:
        """Call it with pipes for all streams."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.home,
            env={**self.environ, **variables},
            input=typed,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "\x1b" not in done.stdout + done.stderr, "nothing but a terminal gets colours"
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def terminal(self, *words: str, piped: bool = False, columns: int = 110, **variables: str) -> Terminal:
        """Call it in a terminal."""
        environ = {**self.environ, **variables}
        return Terminal(self.command(*words), environ, piped=piped, columns=columns)


@pytest.fixture
def shell(product: Product, tmp_path: Path) -> Shell:
    """Calls commands on the product from a folder that is empty."""
    return Shell(product.data, tmp_path)


@pytest.fixture
def client(product: Product) -> Iterator[Client]:
    """A client of the product, to look at what a command did."""
    with Client(product.url) as client:
        yield client


TASK = {"name": "a.b", "title": "B", "description": "", "schema": {"properties": {}}, "result": {}}


class Stubborn(BaseHTTPRequestHandler):
    """An API with one task and one job of it, which runs whatever it is told."""

    def answer(self) -> None:
        """Answer any request."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        log = {"text": "", "next": "0-0", "ended": False, "cut": False}
        document = TASK if self.command == "GET" and "/tasks/" in self.path else JOB
        body = json.dumps(log if "/log" in self.path else document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def stubborn() -> Iterator[str]:
    """The URL of such an API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Stubborn) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
