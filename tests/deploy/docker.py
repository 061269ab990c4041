"""A ``docker`` that pushes to moto's ECR instead of building."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from infra.deploy.target import Target

MANIFEST = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}


class FakeDocker:
    """To be run instead of the command. It remembers all calls and what they were fed.

    ``fails`` is a word of the call that fails; ``missing`` says that there is no such command.
    """

    def __init__(self, target: Target, fails: str | None = None, *, missing: bool = False) -> None:
        self.calls: list[list[str]] = []
        self.inputs: list[str | None] = []
        self._target = target
        self._fails = fails
        self._missing = missing

    @property
    def steps(self) -> list[str]:
        """The calls' first words."""
        return [call[1] for call in self.calls]

    def __call__(self, command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if self._missing:
            raise FileNotFoundError(command[0])
        self.calls.append(command)
        self.inputs.append(options.get("input"))
        if self._fails in command:
            return subprocess.CompletedProcess(command, 1, "", "permission denied\n\nUsage: docker")
        if command[1] == "push":
            repository, _, tag = command[2].rpartition("/")[2].partition(":")
            self._target.client("ecr").put_image(
                repositoryName=repository,
                imageTag=tag,
                imageManifest=json.dumps(MANIFEST | {"config": {"digest": f"sha256:{tag}"}}),
            )
        return subprocess.CompletedProcess(command, 0, "27.0\n", "")
