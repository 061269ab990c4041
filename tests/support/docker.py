"""Real containers for the tests, through the docker command."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

from tests.support.missing import missing
from tests.support.processes import ROOT

BASE_IMAGE = "python:3.12-slim"
REDIS_IMAGE = "redis:7.4-alpine"


def docker(*arguments: str, check: bool = True) -> str:
    """Run a docker command; returns what it printed. Fails the test with its output when it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def require_docker() -> None:
    """Skips (in CI: fails) where no Docker engine runs or the public images can't be had."""
    if shutil.which("docker") is None or "Server Version" not in docker("info", check=False):
        missing("a running Docker engine")
    for image in (BASE_IMAGE, REDIS_IMAGE):
        if not docker("images", "-q", image).strip() and "Error" in docker("pull", image, check=False):
            missing(f"the image {image}")


class Container:
    """A container that is removed when the test ends. Takes the arguments of ``docker run``."""

    def __init__(self, *arguments: str) -> None:
        self.name = f"coatcheck-test-{uuid4().hex[:12]}"
        docker("run", "--detach", "--name", self.name, *arguments)

    def inspect(self, template: str) -> str:
        """What ``docker inspect --format`` prints."""
        return docker("inspect", "--format", template, self.name).strip()

    def logs(self) -> str:
        """All that the container printed."""
        return docker("logs", self.name)

    def run(self, *command: str) -> str:
        """Run a command in the container; returns what it printed."""
        return docker("exec", self.name, *command)

    def stop(self, seconds: int) -> None:
        """SIGTERM, and SIGKILL after so many seconds."""
        docker("stop", "--time", str(seconds), self.name)

    def kill(self) -> None:
        """SIGKILL."""
        docker("kill", self.name)

    def restart(self) -> None:
        """Kill the container's process and start it again on the same files."""
        docker("restart", "--time", "0", self.name)

    def wait(self) -> int:
        """Wait for the container's end; returns its exit status."""
        return int(docker("wait", self.name))

    def remove(self) -> None:
        """End and remove it."""
        docker("rm", "--force", "--volumes", self.name, check=False)


def build_worker_image(tag: str, root: Path = ROOT) -> str:
    """Build the worker's image; returns the build's output. Raises AssertionError when it fails."""
    # The builder shares the host's network, so that it reaches whatever index the host's pip does.
    return docker(
        "build", "--network", "host", "-f", str(root / "worker_image/Dockerfile"), "-t", tag, str(root)
    )
