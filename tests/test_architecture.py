"""The arrows between the rooms, drawn from the imports that stand in the files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import ROOT

ROOMS = {
    "coatcheck": {"coatcheck"},
    "functions": {"functions", "coatcheck"},
    "worker_image": {"worker_image", "coatcheck"},
    "infra": {"infra", "functions", "worker_image", "coatcheck"},
    # The servers that tests break, and the chaos suite's workload, are measured too.
    "benchmarks": {"benchmarks", "tests", "infra", "functions", "worker_image", "coatcheck"},
    "tests": {"tests", "benchmarks", "infra", "functions", "worker_image", "coatcheck"},
}
"""Each room, and the rooms that it may import."""
INSIDE = {"app": "functions", "chalicelib": "functions"}
"""Modules that lie in a room without its name: Lambda has ``functions/`` on its path."""
FORBIDDEN = {
    "coatcheck": {"boto3", "chalice", "pydantic", "rq"},
    "functions": {"httpx", "pydantic", "rq"},
    "worker_image": {"httpx"},
}
"""What a room must do without, so that a Lambda starts fast."""
LATE = {"coatcheck": {"botocore"}, "functions": {"boto3", "botocore"}}
"""What only a function that needs it may import, so that the other starts stay fast."""


@dataclass(frozen=True)
class Import:
    """An import that stands in a file; ``late``: in a function."""

    line: int
    name: str
    late: bool


def imports(node: ast.AST, late: bool = False) -> Iterator[Import]:
    """Everything that a part of a file imports, wherever it stands."""
    late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(node.lineno, alias.name, late)
    elif isinstance(node, ast.ImportFrom) and not node.level:
        yield Import(node.lineno, node.module or "", late)
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("import_module", "__import__"):
            yield Import(node.lineno, str(node.args[0].value), late)
    for child in ast.iter_child_nodes(node):
        yield from imports(child, late)


def wrong_arrows(root: Path) -> list[str]:
    """Every import below a folder that an arrow forbids: its place and what it imports."""
    found = []
    for room, allowed in ROOMS.items():
        for path in sorted((root / room).rglob("*.py")):
            for item in imports(ast.parse(path.read_text())):
                top = item.name.partition(".")[0]
                target = INSIDE.get(top, top)
                upward = target in ROOMS and target not in allowed
                early = top in LATE.get(room, ()) and not item.late
                if upward or early or top in FORBIDDEN.get(room, ()):
                    found.append(f"{path.relative_to(root)}:{item.line}: {item.name}")
    return found


def test_no_arrow_goes_the_wrong_way() -> None:
    assert wrong_arrows(ROOT) == []


def test_what_is_optional_is_imported_in_one_place_only() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), item.name.partition(".")[0])
        for room in set(ROOMS) - {"tests"}
        for path in (ROOT / room).rglob("*.py")
        for item in imports(ast.parse(path.read_text()))
        if item.name.startswith(("opentelemetry", "prometheus_client"))
    }
    assert found == {("coatcheck/tracing.py", "opentelemetry")}


def test_the_client_imports_little_of_the_rest() -> None:
    found = {
        item.name
        for path in (ROOT / "coatcheck" / "client").rglob("*.py")
        for item in imports(ast.parse(path.read_text()))
        if item.name.startswith("coatcheck") and not item.name.startswith("coatcheck.client")
    }
    assert found == {"coatcheck", "coatcheck.errors", "coatcheck.job"}


def test_nothing_but_commands_uses_the_client() -> None:
    for room in ("coatcheck", "functions", "worker_image"):
        for path in (ROOT / room).rglob("*.py"):
            if "client" not in path.relative_to(ROOT).parts:
                names = [item.name for item in imports(ast.parse(path.read_text()))]
                assert not [name for name in names if name.startswith("coatcheck.client")], path


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_looked_at(room: str) -> None:
    found = [item for path in (ROOT / room).rglob("*.py") for item in imports(ast.parse(path.read_text()))]
    assert any(item.name.startswith("coatcheck.") for item in found)


@pytest.mark.parametrize(
    ("file", "line", "named"),
    [
        ("coatcheck/low.py", "import functions", "functions"),
        ("coatcheck/low.py", "from chalicelib import tasks", "chalicelib"),
        ("coatcheck/low.py", "from worker_image.tasks import examples", "worker_image.tasks"),
        ("coatcheck/low.py", "def late():\n    import infra.up", "infra.up"),
        ("coatcheck/deep/low.py", "import chalice.app", "chalice.app"),
        ("coatcheck/low.py", "def late():\n    import boto3", "boto3"),
        ("coatcheck/low.py", "from botocore.session import Session", "botocore.session"),
        ("coatcheck/low.py", "if True:\n    import botocore", "botocore"),
        ("coatcheck/low.py", "from rq import Queue", "rq"),
        ("coatcheck/low.py", "import json, pydantic", "pydantic"),
        ("coatcheck/low.py", "import importlib\nimportlib.import_module('rq.job')", "rq.job"),
        ("functions/chalicelib/low.py", "from worker_image import tasks", "worker_image"),
        ("functions/app.py", "import infra", "infra"),
        ("functions/app.py", "from rq.job import Job", "rq.job"),
        ("functions/app.py", "try:\n    import pydantic\nexcept ImportError:\n    pass", "pydantic"),
        ("worker_image/tasks/low.py", "import chalicelib.routing", "chalicelib.routing"),
        ("worker_image/low.py", "from app import app", "app"),
        ("worker_image/low.py", "from infra.embedded import EmbeddedRedis", "infra.embedded"),
        ("infra/low.py", "from tests.support import polling", "tests.support"),
    ],
)
def test_a_wrong_arrow_is_found(tmp_path: Path, file: str, line: str, named: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    [found] = wrong_arrows(tmp_path)
    assert found.startswith(f"{file}:")
    assert found.endswith(f": {named}")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("coatcheck/low.py", "from coatcheck.job import Job"),
        ("functions/chalicelib/low.py", "from chalice.app import Chalice\nfrom coatcheck.job import Job"),
        ("worker_image/low.py", "import rq, pydantic, coatcheck"),
        ("infra/low.py", "import chalice, app, worker_image.pool, coatcheck"),
        ("coatcheck/low.py", "from .job import Job"),
        ("coatcheck/low.py", "def sign():\n    import botocore.session"),
    ],
)
def test_a_right_arrow_is_let_be(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert wrong_arrows(tmp_path) == []
