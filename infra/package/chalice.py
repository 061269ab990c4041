"""``chalice package`` as a process of its own: it imports the app, and this process stays clean of it."""

from __future__ import annotations

import json
import os
import re
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

FUNCTION = "APIHandler"
"""Chalice's name of the function that answers all routes."""


@dataclass(frozen=True)
class ChaliceOutput:
    """What Chalice made: its zip, and its SAM template."""

    archive: Path
    template: dict[str, Any]

    @property
    def function(self) -> dict[str, Any]:
        """The properties of the function in the template."""
        properties: dict[str, Any] = self.template["Resources"][FUNCTION]["Properties"]
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
    made = target / "sam.json"
    if process.returncode or NOT_INSTALLED in process.stdout or not made.exists():
        told = _essence(process.stdout.replace(f"{project}/", ""))
        raise PackageError(f"Chalice could not package the functions:\n{told or 'it said nothing'}")
    template = json.loads(made.read_text())
    if FUNCTION not in template["Resources"]:
        raise PackageError("the app in functions/app.py has no routes, so there is no function to package")
    return ChaliceOutput(target / "deployment.zip", template)


def _essence(text: str) -> str:
    """What Chalice said, without the frames of its own that a traceback begins with."""
    _, app, frames = text.partition('  File "app.py"')
    return (app + frames or re.sub(r"^Traceback .*\n(?: .*\n)+", "", text, flags=re.MULTILINE)).strip()


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
