"""Modules that no request needs are promised only, and are there for whoever uses them."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]
OF_METADATA = {"csv", "email", "email.message", "zipfile"}
"""What ``importlib.metadata`` imports."""


def fresh(code: str) -> str:
    """What an interpreter prints that nobody has imported anything into."""
    paths = [str(ROOT / "functions"), str(ROOT), sysconfig.get_path("purelib")]
    code = f"import sys; sys.path[:0] = {paths}; {code}"
    command = [sys.executable, "-I", "-S", "-B", "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_app_does_without_what_redis_py_asks_for_its_version() -> None:
    modules = set(fresh("import app, redis; print(*sys.modules)").split())
    assert "app" in modules
    assert not OF_METADATA & modules


def test_whoever_asks_gets_the_module() -> None:
    told = fresh(
        "import app, importlib.metadata as asked; from importlib import metadata;"
        "import redis.utils; print(redis.utils.get_lib_version(), asked is metadata, 'email' in sys.modules)"
    )
    version, same, loaded = told.split()
    assert version.count(".") == 2
    assert (same, loaded) == ("True", "True")


def test_a_module_that_is_there_stays_as_it_is() -> None:
    code = "import importlib.metadata as first; import app; print(first is sys.modules['importlib.metadata'])"
    assert fresh(code).strip() == "True"
    assert fresh("from chalicelib.postponed import postpone; print(postpone('no_such_module'))") == "None\n"
