"""From the sources to the template that CloudFormation gets."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.deploy.artefacts import Artefacts
from infra.template import assemble, dumps, load_extra

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "AWS::Serverless::Function"


@dataclass(frozen=True)
class Build:
    """The function package's bytes, and the whole template, whose functions' code is still local."""

    archive: bytes
    template: dict[str, Any]


def build(folder: Path | None = None) -> Build:
    """Make the function package and merge Chalice's template with ours.

    Takes the folder of a package that is made already (``coatcheck package``), None to make one.

    Raises PackageError, CatalogError, StartError.
    """
    from infra.package import FunctionPackage, build_package

    package = FunctionPackage.load(folder) if folder else build_package(ROOT / "build")
    return Build(package.archive.read_bytes(), assemble(package.template, load_extra()))


def place(archive: bytes, template: Mapping[str, Any], artefacts: Artefacts) -> str:
    """Upload the package, then the template that names it. Returns the template's URL."""
    key = artefacts.upload(archive, "functions", ".zip")
    placed = copy.deepcopy(dict(template))
    for resource in placed["Resources"].values():
        if resource["Type"] == FUNCTION and isinstance(resource["Properties"].get("CodeUri"), str):
            resource["Properties"]["CodeUri"] = {"Bucket": artefacts.bucket, "Key": key}
    return artefacts.url(artefacts.upload(dumps(placed).encode(), "templates", ".json"))
