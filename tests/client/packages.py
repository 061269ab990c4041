"""The client's own surroundings: httpx and what it needs, and nothing of what else is installed here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.processes import ROOT


def closure(name: str) -> set[str]:
    """The names of a distribution and of all that it needs, extras apart."""
    names = {name}
    for requirement in map(Requirement, distribution(name).requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            names |= closure(requirement.name)
    return names


def alone(folder: Path) -> Path:
    """Put coatcheck, httpx and what that needs into a folder. Returns it."""
    shutil.copytree(ROOT / "coatcheck", folder / "coatcheck", ignore=shutil.ignore_patterns("__pycache__"))
    for name in closure("httpx"):
        for file in distribution(name).files or ():
            if file.parts[0] != ".." and "__pycache__" not in file.parts:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(file.locate()), folder / file)
    return folder


def interpreter(version: str) -> str | None:
    """An interpreter of that version, None if there is none that runs."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    installed = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
    for candidate in (f"python{version}", *map(str, installed)):
        with suppress(OSError):
            if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                return candidate
    return None


def run(python: str, folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script that can import nothing but the standard library and what is in the folder."""
    return subprocess.run(
        [python, "-S", "-s", "-c", script, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
