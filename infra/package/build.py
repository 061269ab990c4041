"""From the project's folders to ``deployment.zip`` and the template that names it."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coatcheck.catalog import Catalog
from infra import catalog
from infra.errors import PackageError
from infra.package import archive, chalice, dependencies, selfcheck, trimming

ROOT = Path(__file__).resolve().parents[2]
NOT_SHIPPED = shutil.ignore_patterns(
    "__pycache__", "deployments", "deployed", "requirements.*", "catalog.json", ".mypy_cache"
)
"""What lies around in the folders; the catalogue is made anew."""


@dataclass(frozen=True)
class FunctionPackage:
    """A function package that has passed its check.

    ``archive`` is the zip file, ``template`` Chalice's SAM template as JSON (its ``CodeUri`` is still the
    local file), ``size`` the archive's in bytes, ``digest`` its SHA-256 in hexadecimal.
    """

    archive: Path
    template: dict[str, Any]
    catalog: Catalog
    size: int
    digest: str


def build_package(
    target: Path,
    *,
    project: Path = ROOT,
    cache: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> FunctionPackage:
    """Build the function package into a folder: ``deployment.zip``, ``sam.json``.

    Takes the project's folder, the one where fetched requirements are kept (default: the user's cache), and
    the environment for the tasks' import. The same input gives the same bytes.

    Raises PackageError, CatalogError: nothing is written then.
    """
    tasks = catalog.build(environ)
    with tempfile.TemporaryDirectory(prefix="coatcheck-package-") as name:
        work = Path(name)
        _stage(project, cache or dependencies.default_cache(), tasks, work / "stage")
        made = chalice.package(work / "stage", work / "chalice")
        _check_runtime(made)
        with zipfile.ZipFile(made.archive) as zipped:
            zipped.extractall(work / "package")
        trimming.trim(work / "package")
        archive.compile_all(work / "package")
        archive.write(work / "package", work / "deployment.zip")
        selfcheck.check(work / "deployment.zip", made.function["Architectures"][0])
        target.mkdir(parents=True, exist_ok=True)
        (target / "sam.json").write_text(json.dumps(made.template, indent=1) + "\n")
        shutil.move(work / "deployment.zip", target / "deployment.zip")
    data = (target / "deployment.zip").read_bytes()
    return FunctionPackage(
        archive=target / "deployment.zip",
        template=made.template,
        catalog=Catalog.loads(tasks),
        size=len(data),
        digest=hashlib.sha256(data).hexdigest(),
    )


def _stage(project: Path, cache: Path, tasks: str, stage: Path) -> None:
    """Lay out a Chalice project that has all in ``vendor``, which lands at the root of the zip."""
    shutil.copytree(project / "functions", stage, ignore=NOT_SHIPPED)
    vendor = stage / "vendor"
    dependencies.unpack(project / "functions", cache, vendor)
    shutil.copytree(project / "coatcheck", vendor / "coatcheck", ignore=NOT_SHIPPED)
    (vendor / "catalog.json").write_text(tasks)


def _check_runtime(made: chalice.ChaliceOutput) -> None:
    """Byte code is good for one minor version of Python only. Raises PackageError."""
    running = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if made.function["Runtime"] != running:
        raise PackageError(
            f"Lambda has no {running}, only up to {made.function['Runtime']};"
            f" make .venv with that one: make clean venv PYTHON={made.function['Runtime']}"
        )
