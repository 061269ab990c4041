"""The worker image: built once, pushed by digest, and only where it is needed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.deploy.deployment import Deployment
from infra.deploy.errors import DeployError, FailedError
from infra.deploy.image import Docker, Image
from infra.deploy.stack import Stack
from infra.deploy.target import Target
from tests.deploy.console import Recorder
from tests.deploy.docker import FakeDocker
from tests.deploy.project import Template, with_workers
from tests.support.processes import ROOT

Deploy = Callable[..., Deployment]
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ALL = ["version", "buildx", "buildx", "login", "push", "logout"]
"""The calls of docker that make and push an image."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project's folder with what belongs to the image."""
    for name in ("coatcheck/job.py", "worker_image/Dockerfile", "worker_image/tasks/odd.py", ".dockerignore"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.fixture
def docker(target: Target) -> FakeDocker:
    return FakeDocker(target)


@pytest.fixture
def deploy(deployment: Deploy, docker: FakeDocker, root: Path) -> Deploy:
    """Makes deployments of a stack that has workers."""

    def deploy(
        change: Callable[[Template], None] = with_workers, docker: FakeDocker = docker, **options: object
    ) -> Deployment:
        return deployment(change, **({"given": {}, "root": root, "docker": Docker(docker)} | options))

    return deploy


def digests(target: Target) -> list[str]:
    images = target.client("ecr").list_images(repositoryName="desk-worker")["imageIds"]
    return [image["imageDigest"] for image in images]


def shown(target: Target) -> str:
    """The parameter with the digest, as it reached a resource."""
    (topic,) = target.client("sns").list_topics()["Topics"]
    attributes = target.client("sns").get_topic_attributes(TopicArn=topic["TopicArn"])
    return str(attributes["Attributes"]["DisplayName"])


def test_the_first_deployment_makes_the_repository_then_the_image_then_the_workers(
    deploy: Deploy, stack: Stack, docker: FakeDocker
) -> None:
    console = Recorder("y\n")
    first = deploy(console=console)
    first.run()
    (digest,) = digests(stack.target)
    assert shown(stack.target) == digest
    assert docker.steps == ALL
    told = console.told
    assert told.count("[y/N]") == 1, "what follows from the first answer is not asked"
    order = ["Create desk?", "CREATE_COMPLETE", "building the worker image", "pushing", "UPDATE_COMPLETE"]
    assert [told.index(text) for text in order] == sorted(told.index(text) for text in order)


def test_the_image_is_built_for_the_platform_and_named_after_its_repository(
    deploy: Deploy, docker: FakeDocker, root: Path
) -> None:
    deploy().run()
    build = docker.calls[2]
    assert build[:4] == ["docker", "buildx", "build", "--load"]
    assert build[build.index("--platform") + 1] == "linux/arm64"
    assert build[build.index("--file") + 1] == str(root / "worker_image" / "Dockerfile")
    assert build[-1] == str(root)
    name = build[build.index("--tag") + 1]
    assert re.fullmatch(rf"{re.escape(REGISTRY)}/desk-worker:[0-9a-f]{{32}}-[0-9]{{8}}-[0-9]{{6}}", name)
    assert docker.calls[4] == ["docker", "push", name]


def test_the_password_is_not_an_argument_and_is_forgotten(deploy: Deploy, docker: FakeDocker) -> None:
    deploy().run()
    login, logout = docker.calls[3], docker.calls[5]
    assert login == ["docker", "login", "--username", "AWS", "--password-stdin", REGISTRY]
    assert docker.inputs[3]
    assert not any(docker.inputs[3] in " ".join(call) for call in docker.calls)
    assert logout == ["docker", "logout", REGISTRY]


def test_an_unchanged_image_is_not_built_again(deploy: Deploy, stack: Stack, target: Target) -> None:
    deploy().run()
    without = FakeDocker(target, missing=True)  # not even docker is needed
    deploy(docker=without).run()
    assert digests(target) == [shown(target)]


def test_a_changed_task_makes_a_new_image(
    deploy: Deploy, root: Path, docker: FakeDocker, target: Target
) -> None:
    deploy().run()
    first = shown(target)
    (root / "worker_image" / "tasks" / "odd.py").write_text("changed")
    deploy().run()
    assert shown(target) != first
    assert set(digests(target)) == {first, shown(target)}, "the old one is there to roll back to"
    assert docker.steps == ALL * 2


def test_what_python_leaves_behind_is_no_change(deploy: Deploy, root: Path, docker: FakeDocker) -> None:
    deploy().run()
    cache = root / "coatcheck" / "__pycache__"
    cache.mkdir()
    (cache / "job.pyc").write_bytes(b"x")
    deploy().run()
    assert docker.steps == ALL


def test_the_image_is_built_again_when_asked_for_and_then_stays(
    deploy: Deploy, docker: FakeDocker, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy().run()
    first = shown(target)
    with monkeypatch.context() as later:
        later.setattr("time.strftime", lambda *_: "20300101-000000")
        deploy(rebuild_image=True).run()
    second = shown(target)
    assert second != first
    deploy().run()
    assert shown(target) == second


def test_a_digest_that_is_given_is_taken(deploy: Deploy, docker: FakeDocker, target: Target) -> None:
    digest = "sha256:" + "0" * 64
    deploy(given={"WorkerImageDigest": digest}).run()
    assert shown(target) == digest
    assert docker.calls == []


def test_without_workers_there_is_no_image(deploy: Deploy, docker: FakeDocker) -> None:
    deploy(given={"RedisUrl": "redis://own"}).run()
    assert docker.calls == []


@pytest.mark.parametrize(
    ("docker_options", "message"),
    [
        ({"missing": True}, "docker is not installed"),
        ({"fails": "version"}, r"Docker's daemon doesn't answer \(permission denied\)"),
    ],
)
def test_without_docker_nothing_is_begun(
    deploy: Deploy, stack: Stack, target: Target, docker_options: dict[str, str], message: str
) -> None:
    def build() -> None:
        pytest.fail("the package was built")

    console = Recorder(yes=True)
    with pytest.raises(DeployError, match=message) as caught:
        deploy(docker=FakeDocker(target, **docker_options), build=build, console=console).run()  # type: ignore[arg-type]
    assert caught.value.status == 2
    assert "--parameter WorkerImageDigest=sha256:..." in str(caught.value)
    assert stack.look() is None
    assert target.client("s3").list_buckets()["Buckets"] == []
    assert console.told == ""


def test_without_a_dockerfile_nothing_is_begun(deploy: Deploy, root: Path, docker: FakeDocker) -> None:
    (root / "worker_image" / "Dockerfile").unlink()
    with pytest.raises(DeployError, match="worker_image/Dockerfile is missing"):
        deploy().run()
    assert docker.calls == []


def test_a_build_that_fails_ends_the_deployment(deploy: Deploy, stack: Stack, target: Target) -> None:
    deploy().run()
    before = stack.existing()
    docker = FakeDocker(target, fails="build")
    with pytest.raises(FailedError, match=r"'docker buildx' failed \(status 1\); it told why above"):
        deploy(docker=docker, rebuild_image=True).run()
    assert stack.existing() == before


def test_a_push_that_fails_logs_out_all_the_same(deploy: Deploy, target: Target) -> None:
    docker = FakeDocker(target, fails="push")
    with pytest.raises(FailedError, match="'docker push' failed"):
        deploy(docker=docker).run()
    assert docker.steps == ALL


def test_a_push_that_did_not_arrive_is_told(target: Target, root: Path) -> None:
    target.client("ecr").create_repository(repositoryName="desk-worker")
    lost = Docker(lambda command, **_: FakeDocker(target)([*command[:1], "tag"]))
    with pytest.raises(FailedError, match="was pushed, but ECR doesn't have it"):
        Image(target, root, "ARM64", lost).publish("desk-worker", lambda text: None)


def test_a_silent_docker_is_not_waited_for(target: Target, root: Path) -> None:
    def hang(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    with pytest.raises(DeployError, match=r"Docker's daemon doesn't answer \(30 s\)"):
        Image(target, root, "ARM64", Docker(hang)).check()  # type: ignore[arg-type]


def test_the_architecture_makes_another_image(target: Target, root: Path, docker: FakeDocker) -> None:
    target.client("ecr").create_repository(repositoryName="desk-worker")
    arm = Image(target, root, "ARM64", Docker(docker))
    digest = arm.publish("desk-worker", lambda text: None)
    assert arm.find("desk-worker") == digest
    assert replace(arm, architecture="X86_64").find("desk-worker") is None


def test_the_project_itself_has_what_the_image_needs(target: Target, docker: FakeDocker) -> None:
    Image(target, ROOT, "X86_64", Docker(docker)).check()
    assert docker.steps == ["version", "buildx"]
