"""``chalice package`` as a process of its own: it imports the app, and this process stays clean of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalice.constants import MISSING_DEPENDENCIES_TEMPLATE

from infra.errors import PackageError

COMMAND = (sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())")
NOT_INSTALLED = MISSING_DEPENDENCIES_TEMPLATE.strip().partition("\n")[0]
"""How Chalice begins to tell, with status 0, that it left requirements out."""


@dataclass(frozen=True)
class ChaliceOutput:
    """What Chalice made: its zip, and its SAM template."""

    archive: Path
    template: dict[str, Any]

    @property
    def function(self) -> dict[str, Any]:
        """The properties of the function in the template."""
        properties: dict[str, Any] = self.template["Resources"]["APIHandler"]["Properties"]
        return properties


def package(project: Path, target: Path) -> ChaliceOutput:
    """Package the Chalice project of a folder into another folder. Raises PackageError."""
    process = subprocess.run(
        [*COMMAND, "package", str(target)],
        cwd=project,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if process.returncode or NOT_INSTALLED in process.stdout:
        raise PackageError(f"Chalice could not package the functions:\n{process.stdout.strip()}")
    template = json.loads((target / "sam.json").read_text())
    return ChaliceOutput(target / "deployment.zip", template)


def _environment() -> dict[str, str]:
    """The environment, without anything of AWS: packaging needs a region's name, and asks nobody."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return environ | {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
