"""``docs/coming-from.md``: the code that it shows is code, and Coatcheck's runs as it stands there."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.product import Start, start
from tests.support.processes import ROOT

__all__ = ["start"]

PAGE = (ROOT / "docs" / "coming-from.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))


def code(section: str, kind: str) -> list[str]:
    """The blocks of one language in a section."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", SECTIONS[section], re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("section", ["Celery", "RQ", "Zappa", "Coatcheck"])
def test_each_system_has_a_task_and_one_who_submits_it(section: str) -> None:
    task, caller = code(section, "python")
    functions = [node.name for node in ast.parse(task).body if isinstance(node, ast.FunctionDef)]
    assert functions == ["count"]
    ast.parse(caller)
    assert "count" in caller


@pytest.mark.timeout(180)
def test_coatcheck_s_code_runs_as_it_stands(start: Start, tmp_path: Path) -> None:
    task, caller = code("Coatcheck", "python")
    [request] = code("Coatcheck", "sh")
    package = tmp_path / "moved_tasks"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "numbers.py").write_text(task)
    product = start(COATCHECK_TASKS="moved_tasks", PYTHONPATH=str(tmp_path))
    product.until_ready()
    environ = os.environ | {"COATCHECK_URL": product.url.rstrip("/")}
    python = subprocess.run(
        [sys.executable, "-c", caller], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (python.returncode, python.stdout) == (0, "3\n"), python.stderr
    shell = subprocess.run(["bash", "-c", request], env=environ, capture_output=True, text=True, check=True)
    assert '"result":3' in shell.stdout
