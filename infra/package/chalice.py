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

from infra.errors import PackageError

COMMAND = (sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())")
FUNCTION = "APIHandler"
"""Chalice's name of the function that answers all routes."""


@dataclass(frozen=True)
class ChaliceOutput:
    """What Chalice made: its zip, and its SAM template."""

    archive: Path
    template: dict[str, Any]

    @property
    def functions(self) -> dict[str, dict[str, Any]]:
        """The properties of each function in the template, by its logical id."""
        return {
            name: resource["Properties"]
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == "AWS::Serverless::Function"
        }

    @property
    def runtime(self) -> str:
        """Lambda's name of the Python that the functions run on."""
        return str(self.functions[FUNCTION]["Runtime"])

    @property
    def architecture(self) -> str:
        """Lambda's name of the processor that they run on."""
        return str(self.functions[FUNCTION]["Architectures"][0])

    @property
    def handlers(self) -> list[str]:
        """What Lambda calls: ``module.name`` for each function."""
        return [str(function["Handler"]) for function in self.functions.values()]


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
    if process.returncode or _not_installed() in process.stdout or not made.exists():
        told = _essence(process.stdout.replace(f"{project}/", ""))
        raise PackageError(f"Chalice could not package the functions:\n{told or 'it said nothing'}")
    template = json.loads(made.read_text())
    if FUNCTION not in template["Resources"]:
        raise PackageError("the app in functions/app.py has no routes, so there is no API to package")
    return ChaliceOutput(target / "deployment.zip", template)


def _not_installed() -> str:
    """How Chalice begins to tell, with status 0, that it left requirements out."""
    from chalice.constants import MISSING_DEPENDENCIES_TEMPLATE

    return MISSING_DEPENDENCIES_TEMPLATE.strip().partition("\n")[0]


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
