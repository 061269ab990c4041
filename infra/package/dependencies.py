"""What the functions require, as Chalice installs it for Lambda: fetched once, then kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

from infra.errors import PackageError
from infra.package import chalice

EMPTY_APP = """\
from chalice import Chalice

app = Chalice(app_name="dependencies")


@app.route("/")
def nothing() -> None: ...
"""
OF_CHALICE = ("app.py", "chalice/")
"""What Chalice adds to any package."""
REQUIREMENTS = "requirements.txt"
CONFIG = ".chalice/config.json"


def default_cache() -> Path:
    """The folder where fetched requirements are kept (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "coatcheck"


def unpack(functions: Path, cache: Path, target: Path) -> None:
    """Put all modules that ``requirements.txt`` of the functions names into a folder.

    Raises PackageError.
    """
    requirements = (functions / REQUIREMENTS).read_text()
    _check_locked(requirements)
    archive = cache / f"functions-{_key(functions, requirements)}.zip"
    try:
        _extract(archive, target)
    except (FileNotFoundError, zipfile.BadZipFile):
        _fetch(functions, archive)
        _extract(archive, target)


def _check_locked(requirements: str) -> None:
    """Without hashes pip would take whatever the index offers, and Chalice drops local paths silently."""
    lines = re.sub(r"\\\n", " ", requirements).splitlines()
    loose = [line for line in lines if line.strip() and line.lstrip()[0] != "#" and "--hash=" not in line]
    if loose:
        raise PackageError(
            f"functions/requirements.txt is not locked: {loose[0].strip()!r} has no hash;"
            " write what you need into functions/requirements.in and run 'make lock'"
        )


def _key(functions: Path, requirements: str) -> str:
    """Changes with anything that the result depends on."""
    config = json.loads((functions / CONFIG).read_text())
    parts = [requirements, config.get("lambda_architecture"), sys.version_info[:2], version("chalice")]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _fetch(functions: Path, archive: Path) -> None:
    """Let Chalice install the requirements into an empty app, and keep them. Raises PackageError."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, and moved there in the end: another build never sees half of it.
    with tempfile.TemporaryDirectory(prefix=".", dir=archive.parent) as folder:
        project = Path(folder, "project")
        for name in (CONFIG, REQUIREMENTS):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(functions / name, project / name)
        (project / "app.py").write_text(EMPTY_APP)
        made = chalice.package(project, Path(folder, "out")).archive
        kept = Path(folder, archive.name)
        with zipfile.ZipFile(made) as source, zipfile.ZipFile(kept, "w") as zipped:
            for name in source.namelist():
                if not name.startswith(OF_CHALICE):
                    zipped.writestr(name, source.read(name))
        kept.replace(archive)


def _extract(archive: Path, target: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(target)
