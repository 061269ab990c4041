"""From the sources to the template that CloudFormation gets."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import template
from infra.deploy.artefacts import Artefacts

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "AWS::Serverless::Function"


@dataclass(frozen=True)
class Build:
    """The function package's bytes, and the whole template, whose functions' code is still local."""

    archive: bytes
    template: dict[str, Any]


def build(root: Path = ROOT) -> Build:
    """Make the function package and merge Chalice's template with ours.

    Takes the project's folder. Raises PackageError, CatalogError, StartError.
    """
    from infra.package import build_package

    package = build_package(root / "build")
    return Build(package.archive.read_bytes(), template.merge(package.template, template.load_extra()))


def place(built: Build, artefacts: Artefacts) -> str:
    """Upload the package, then the template that names it. Returns the template's URL."""
    key = artefacts.upload(built.archive, "functions", ".zip")
    placed = copy.deepcopy(built.template)
    for resource in placed["Resources"].values():
        if resource["Type"] == FUNCTION and isinstance(resource["Properties"].get("CodeUri"), str):
            resource["Properties"]["CodeUri"] = {"Bucket": artefacts.bucket, "Key": key}
    return artefacts.url(artefacts.upload(template.dumps(placed).encode(), "templates", ".json"))
