"""From the sources to the template that CloudFormation gets."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.deploy.artefacts import Artefacts

FUNCTION = "AWS::Serverless::Function"
FOLDER = Path("build")
"""Where the function package is made, in the project's folder."""


@dataclass(frozen=True)
class Build:
    """The function package's bytes, and the whole template, whose functions' code is still local."""

    archive: bytes
    template: dict[str, Any]

    @property
    def parameters(self) -> dict[str, Any]:
        """The template's ``Parameters``."""
        parameters: dict[str, Any] = self.template.get("Parameters", {})
        return parameters


def build(root: Path) -> Build:
    """Make the function package and merge Chalice's template with ours.

    Takes the project's folder. Raises PackageError (a CoatcheckError).
    """
    from infra import template
    from infra.package import build_package

    package = build_package(root / FOLDER)
    return Build(package.archive.read_bytes(), template.merge(package.template, template.load_extra()))


def place(build: Build, artefacts: Artefacts) -> tuple[dict[str, Any], str]:
    """Upload the package, then the template that names it.

    Returns that template, and its URL.
    """
    from infra.template import dumps

    key = artefacts.upload(build.archive, "functions", ".zip")
    placed = copy.deepcopy(build.template)
    for resource in placed["Resources"].values():
        if resource["Type"] == FUNCTION and isinstance(resource["Properties"].get("CodeUri"), str):
            resource["Properties"]["CodeUri"] = {"Bucket": artefacts.bucket, "Key": key}
    text = dumps(placed)
    return placed, artefacts.url(artefacts.upload(text.encode(), "templates", ".json"))
