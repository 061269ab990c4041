"""The worker image: built with Docker, pushed to the stack's ECR repository, named by its digest."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.deploy.errors import DeployError, FailedError, code
from infra.deploy.target import Target

ROOT = Path(__file__).resolve().parents[2]
INPUTS = ("coatcheck", "worker_image", "pyproject.toml", ".dockerignore")
"""What the image is made of; its tag is the digest of these, so the same image isn't built twice."""
PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
INSTEAD = "or name an image that is pushed already: --parameter WorkerImage=REPOSITORY@sha256:DIGEST"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Docker:
    """The ``docker`` command. Takes what runs it (default: ``subprocess.run``)."""

    run: Run = subprocess.run

    def check(self) -> None:
        """Raises DeployError when there is no Docker, or it can't build."""
        for arguments, wrong in (
            (["version", "--format", "{{.Server.Version}}"], "Docker's daemon doesn't answer"),
            (["buildx", "version"], "Docker has no buildx"),
        ):
            try:
                done = self.run(["docker", *arguments], capture_output=True, text=True, timeout=30)
            except FileNotFoundError as error:
                raise DeployError(
                    f"the worker image can't be built: docker is not installed; install it, {INSTEAD}"
                ) from error
            except subprocess.TimeoutExpired as error:
                raise DeployError(
                    f"Docker's daemon doesn't answer within 30 s; start it, {INSTEAD}"
                ) from error
            if done.returncode:
                reason = _last_line(done.stderr)
                raise DeployError(f"the worker image can't be built: {wrong} ({reason}); mend it, {INSTEAD}")

    def build(self, folder: Path, dockerfile: Path, name: str, platform: str) -> None:
        """Build an image. Its progress goes to standard error. Raises FailedError."""
        options = ["--platform", platform, "--file", str(dockerfile), "--tag", name]
        self._do("build", ["buildx", "build", "--load", "--provenance=false", *options, str(folder)])

    def push(self, name: str) -> None:
        """Push an image to its registry. Raises FailedError."""
        self._do("push", ["push", name])

    @contextmanager
    def login(self, registry: str, user: str, password: str) -> Iterator[None]:
        """Be logged in to a registry for a while. Raises FailedError."""
        options = ["--username", user, "--password-stdin", registry]
        self._do("login", ["login", *options], input=password)
        try:
            yield
        finally:  # the password would stay in a file of the user's otherwise
            self.run(["docker", "logout", registry], capture_output=True, text=True)

    def _do(self, step: str, arguments: Sequence[str], **options: Any) -> None:
        import sys

        # Docker's own words are worth reading, but standard output belongs to the command's result.
        done = self.run(["docker", *arguments], stdout=sys.stderr, text=True, **options)
        if done.returncode:
            raise FailedError(f"'docker {step}' failed (status {done.returncode}); its last lines say why")


@dataclass(frozen=True)
class Image:
    """The worker image and the repository for it.

    Takes the target, the repository's name, the architecture (``x86_64`` or ``arm64``), the project's
    folder and the ``docker`` command.
    """

    target: Target
    repository: str
    architecture: str
    root: Path = ROOT
    docker: Docker = Docker()

    def publish(self, tell: Callable[[str], None]) -> str:
        """Build and push the image unless it is there. Returns ``REPOSITORY@sha256:DIGEST``.

        Raises FailedError, DeployError.
        """
        ecr = self.target.client("ecr")
        uri = ecr.describe_repositories(repositoryNames=[self.repository])["repositories"][0]["repositoryUri"]
        tag = fingerprint(self.root, self.architecture)
        digest = self._digest(tag)
        if digest is None:
            name = f"{uri}:{tag}"
            tell(f"building the worker image for {self.architecture}")
            self.docker.build(self.root, dockerfile(self.root), name, PLATFORMS[self.architecture])
            tell(f"pushing it to {uri}")
            with self.docker.login(*self._credentials()):
                self.docker.push(name)
            digest = self._digest(tag)
            if digest is None:
                raise FailedError(f"the image {name} was pushed, but ECR doesn't have it")
        return f"{uri}@{digest}"

    def _digest(self, tag: str) -> str | None:
        ecr = self.target.client("ecr")
        try:
            found = ecr.describe_images(repositoryName=self.repository, imageIds=[{"imageTag": tag}])
        except ecr.exceptions.ClientError as error:
            if code(error) == "ImageNotFoundException":
                return None
            raise
        return str(found["imageDetails"][0]["imageDigest"])

    def _credentials(self) -> tuple[str, str, str]:
        """The registry, the user and the password."""
        data = self.target.client("ecr").get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return data["proxyEndpoint"].removeprefix("https://"), user, password


def dockerfile(root: Path = ROOT) -> Path:
    """Where the Dockerfile is. Raises DeployError if there is none."""
    path = root / "worker_image" / "Dockerfile"
    if not path.is_file():
        raise DeployError(f"the worker image can't be built: {path} is missing; add it, {INSTEAD}")
    return path


def fingerprint(root: Path, architecture: str) -> str:
    """A tag for the image: the digest of all that it is made of."""
    digest = hashlib.sha256(architecture.encode())
    for path in sorted(_files(root)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()}\0{content}\0".encode())
    return digest.hexdigest()[:32]


def _files(root: Path) -> Iterator[Path]:
    for name in INPUTS:
        path = root / name
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def _last_line(text: str) -> str:
    return ([line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"])[-1]
