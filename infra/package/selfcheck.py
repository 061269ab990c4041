"""Tries a package before anybody uses it: in a bare interpreter that has nothing but the package."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from infra.errors import PackageError
from infra.package.probe import WORKS

PROBE = Path(__file__).with_name("probe.py")
TIMEOUT = 60
MACHINES = {"x86_64": ("x86_64", "AMD64"), "arm64": ("aarch64", "arm64")}
"""Lambda's names of processors, and what ``platform`` calls them."""


def check(archive: Path, architecture: str, handlers: Sequence[str]) -> None:
    """Unpack a package, import its app and let it answer.

    Takes Lambda's name of the processor, and the names of all handlers.

    Raises PackageError.
    """
    with tempfile.TemporaryDirectory(prefix="coatcheck-check-") as name:
        folder = Path(name)
        with zipfile.ZipFile(archive) as zipped:
            zipped.extractall(folder)
        if any(folder.rglob("*.so")) and not _runs_here(architecture):
            return  # what was compiled for Lambda can't be loaded here
        # -I -S: neither the environment nor site-packages may lend what the package lacks.
        try:
            process = subprocess.run(
                [sys.executable, "-I", "-S", "-B", str(PROBE), str(folder), *handlers],
                cwd=folder,
                env={
                    "REDIS_URL": f"unix://{folder}/no-redis.sock",
                    "COATCHECK_FILES": "s3://bucket",  # as on AWS; what needs botocore is not tried
                    "AWS_REGION": "us-east-1",
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PackageError(f"the package did not answer within {TIMEOUT} s") from None
    if process.returncode or not process.stdout.endswith(f"{WORKS}\n"):
        told = process.stderr.strip().replace(f"{folder}/", "")
        raise PackageError(f"the package does not work by itself:\n{told or 'it said nothing'}")


def _runs_here(architecture: str) -> bool:
    return sys.platform == "linux" and platform.machine() in MACHINES[architecture]
