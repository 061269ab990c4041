"""The worker image: built with Docker, pushed to the stack's ECR repository, named by its digest."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.deploy.errors import DeployError, FailedError
from infra.deploy.target import Target

INPUTS = ("coatcheck", "worker_image", ".dockerignore")
"""What the image is made of. Its tag begins with the digest of these, so that it is built once only."""
PLATFORMS = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}
INSTEAD = "or name the digest of an image that is in the repository: --parameter WorkerImageDigest=sha256:..."

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Docker:
    """The ``docker`` command. Takes what runs it (default: ``subprocess.run``)."""

    run: Run = subprocess.run

    def check(self) -> None:
        """Raises DeployError when there is no Docker, or it can't build."""
        self._probe("Docker's daemon doesn't answer", "version", "--format", "{{.Server.Version}}")
        self._probe("Docker has no buildx", "buildx", "version")

    def build(self, folder: Path, dockerfile: Path, name: str, platform: str) -> None:
        """Build an image. Its progress goes to standard error. Raises FailedError."""
        options = ["--platform", platform, "--file", str(dockerfile), "--tag", name]
        # Without provenance what is pushed is one image, not an index of it and its papers.
        self._do("buildx", "build", "--load", "--provenance=false", *options, str(folder))

    def push(self, name: str) -> None:
        """Push an image to its registry. Raises FailedError."""
        self._do("push", name)

    @contextmanager
    def login(self, registry: str, user: str, password: str) -> Iterator[None]:
        """Be logged in to a registry for a while. Raises FailedError."""
        self._do("login", "--username", user, "--password-stdin", registry, input=password)
        try:
            yield
        finally:  # the password would stay in a file of the user's otherwise
            self.run(["docker", "logout", registry], capture_output=True, text=True)

    def _probe(self, wrong: str, *arguments: str) -> None:
        try:
            done = self.run(["docker", *arguments], capture_output=True, text=True, timeout=30)
        except FileNotFoundError as error:
            raise DeployError(
                f"the worker image can't be built: docker is not installed. Install it, {INSTEAD}"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise DeployError(
                f"the worker image can't be built: {wrong} (30 s). Mend it, {INSTEAD}"
            ) from error
        if done.returncode:
            reason = next(reversed(done.stderr.split("\n\n")[0].splitlines()), "no reason given").strip()
            raise DeployError(f"the worker image can't be built: {wrong} ({reason}). Mend it, {INSTEAD}")

    def _do(self, *arguments: str, **options: Any) -> None:
        # Docker's own words are worth reading, but standard output belongs to the command's result.
        done = self.run(["docker", *arguments], stdout=sys.stderr, text=True, **options)
        if done.returncode:
            raise FailedError(f"'docker {arguments[0]}' failed (status {done.returncode}); it told why above")


@dataclass(frozen=True)
class Image:
    """The worker image, as the project's folder and an architecture (a key of PLATFORMS) make it."""

    target: Target
    root: Path
    architecture: str
    docker: Docker

    def check(self) -> None:
        """Raises DeployError when the image can't be built here."""
        if not self._dockerfile.is_file():
            raise DeployError(
                f"the worker image can't be built: {self._dockerfile} is missing. Add it, {INSTEAD}"
            )
        self.docker.check()

    def find(self, repository: str) -> str | None:
        """The digest of the image if the ECR repository has it; of the youngest, if it was built again."""
        pages = self.target.client("ecr").get_paginator("describe_images").paginate(repositoryName=repository)
        inputs = self._fingerprint()
        # A tag ends with the time of its push, to the second, so the greatest is the youngest.
        tagged = {
            tag: str(image["imageDigest"])
            for page in pages
            for image in page["imageDetails"]
            for tag in image.get("imageTags", ())
            if tag.startswith(inputs)
        }
        return tagged[max(tagged)] if tagged else None

    def publish(self, repository: str, tell: Callable[[str], None]) -> str:
        """Build the image and push it to the repository. Returns its digest.

        Raises FailedError.
        """
        ecr = self.target.client("ecr")
        uri = ecr.describe_repositories(repositoryNames=[repository])["repositories"][0]["repositoryUri"]
        name = f"{uri}:{self._fingerprint()}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        tell(f"building the worker image for {PLATFORMS[self.architecture]}")
        self.docker.build(self.root, self._dockerfile, name, PLATFORMS[self.architecture])
        tell(f"pushing {name}")
        with self.docker.login(*_credentials(ecr)):
            self.docker.push(name)
        digest = self.find(repository)
        if digest is None:
            raise FailedError(f"the image {name} was pushed, but ECR doesn't have it")
        return digest

    def _fingerprint(self) -> str:
        """The digest of all that the image is made of."""
        digest = hashlib.sha256(self.architecture.encode())
        for path in sorted(_files(self.root)):
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(self.root).as_posix()}\0{content}\0".encode())
        return digest.hexdigest()[:32]

    @property
    def _dockerfile(self) -> Path:
        return self.root / "worker_image" / "Dockerfile"


def _credentials(ecr: Any) -> tuple[str, str, str]:
    """The registry, the user and the password, valid for twelve hours."""
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return data["proxyEndpoint"].removeprefix("https://"), user, password


def _files(root: Path) -> Iterator[Path]:
    for name in INPUTS:
        path = root / name
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file
