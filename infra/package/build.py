"""From the project's folders to ``deployment.zip`` and the template that names it."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from infra import catalog
from infra.errors import PackageError
from infra.package import archive, chalice, dependencies, selfcheck, trimming
from infra.package.files import ARCHIVE, CATALOG, TEMPLATE, FunctionPackage

ROOT = Path(__file__).resolve().parents[2]
LEFT_OVER = ("__pycache__", "deployments", "deployed", "requirements.*", "catalog.json", ".mypy_cache")
"""What lies around in the folders; the catalogue is made anew."""
NOT_SHIPPED = shutil.ignore_patterns(*LEFT_OVER)
NOT_OF_FUNCTIONS = shutil.ignore_patterns(*LEFT_OVER, "client")
"""The same for ``coatcheck/``, whose client no function imports."""


def build_package(
    target: Path,
    *,
    project: Path = ROOT,
    cache: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> FunctionPackage:
    """Build the function package into a folder: ``deployment.zip``, ``template.json``, ``catalog.json``.

    Takes the project's folder, the one where fetched requirements are kept (default: the user's cache), and
    the environment for the tasks' import. The same input gives the same bytes.

    Raises PackageError, CatalogError: nothing is written then.
    """
    tasks = catalog.build(environ)
    with tempfile.TemporaryDirectory(prefix="coatcheck-package-") as name:
        work = Path(name)
        made = _package(project, cache or dependencies.default_cache(), tasks, work)
        target.mkdir(parents=True, exist_ok=True)
        (target / TEMPLATE).write_text(json.dumps(made.template, indent=1) + "\n")
        (target / CATALOG).write_text(tasks)
        shutil.move(made.archive, target / ARCHIVE)
    return FunctionPackage.load(target)


def _package(project: Path, cache: Path, tasks: str, work: Path) -> chalice.ChaliceOutput:
    """Chalice's output with an archive of ours, checked. All files are made below the folder ``work``."""
    _stage(project, cache, tasks, work / "stage")
    made = chalice.package(work / "stage", work / "chalice")
    _check_runtime(made)
    unpacked = work / "package"
    with zipfile.ZipFile(made.archive) as zipped:
        zipped.extractall(unpacked)
    trimming.trim(unpacked)
    archive.compile_all(unpacked)
    archive.write(unpacked, work / ARCHIVE)
    selfcheck.check(work / ARCHIVE, made.architecture, made.handlers)
    return chalice.ChaliceOutput(work / ARCHIVE, made.template)


def _stage(project: Path, cache: Path, tasks: str, stage: Path) -> None:
    """Lay out a Chalice project that has all in ``vendor``, which lands at the root of the zip."""
    shutil.copytree(project / "functions", stage, ignore=NOT_SHIPPED)
    vendor = stage / "vendor"
    dependencies.unpack(project / "functions", cache, vendor)
    shutil.copytree(project / "coatcheck", vendor / "coatcheck", ignore=NOT_OF_FUNCTIONS)
    (vendor / CATALOG).write_text(tasks)


def _check_runtime(made: chalice.ChaliceOutput) -> None:
    """Byte code is good for one minor version of Python only. Raises PackageError."""
    running = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if made.runtime != running:
        raise PackageError(
            f"Lambda has no {running}, only up to {made.runtime};"
            f" make .venv with that one: make clean venv PYTHON={made.runtime}"
        )
