"""A Redis container, a network, and the worker's image, built from its Dockerfile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from coatcheck.settings import Settings, load
from tests.support.docker import REDIS_IMAGE, Container, build_worker_image, docker, require_docker
from tests.support.ports import free_port
from tests.support.processes import ROOT


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The worker's image, with the project's own tasks in it."""
    require_docker()
    tag = f"coatcheck-worker-test:{uuid4().hex[:12]}"
    build_worker_image(tag)
    yield tag
    docker("rmi", "--force", tag, check=False)


@dataclass(frozen=True)
class RedisServer:
    """A Redis container: as other containers reach it, and as the tests do."""

    container: Container
    network: str
    port: int

    @property
    def inner_url(self) -> str:
        return f"redis://{self.container.name}:6379/0"

    @property
    def outer_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One Redis with an append-only file for all tests of a process."""
    require_docker()
    network = f"coatcheck-test-{uuid4().hex[:12]}"
    docker("network", "create", network)
    port = free_port()
    command = "redis-server --appendonly yes --appendfsync always --maxmemory-policy noeviction"
    options = ["--network", network, "--publish", f"127.0.0.1:{port}:6379", REDIS_IMAGE]
    container = Container(*options, *command.split())
    yield RedisServer(container, network, port)
    container.remove()
    docker("network", "rm", network, check=False)


@pytest.fixture
def settings(redis_server: RedisServer) -> Settings:
    """Settings for the containers' Redis, with a namespace that no other test uses."""
    return replace(load({"REDIS_URL": redis_server.outer_url}), namespace=f"t{uuid4().hex[:12]}")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A folder that the tasks in the containers see as /shared and may write to."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


@pytest.fixture
def start_worker(
    image: str, redis_server: RedisServer, settings: Settings, shared: Path
) -> Iterator[Callable[..., Container]]:
    """Starts worker containers, held as on ECS: read-only, no capabilities, only /tmp to write."""
    containers: list[Container] = []

    def start(**variables: str) -> Container:
        environ = {
            "REDIS_URL": redis_server.inner_url,
            "COATCHECK_NAMESPACE": settings.namespace,
            "WORKER_PROCESSES": "2",
            "WORKER_LEASE": "3",
            **variables,
        }
        containers.append(
            Container(
                *["--network", redis_server.network, "--read-only", "--tmpfs", "/tmp:mode=1777"],
                *["--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "512m"],
                *["--volume", f"{ROOT}/tests/support/tasks/odd.py:/srv/worker_image/tasks/odd.py:ro"],
                *["--volume", f"{shared}:/shared"],
                *[text for name, value in environ.items() for text in ("--env", f"{name}={value}")],
                image,
            )
        )
        return containers[-1]

    yield start
    for container in containers:
        container.remove()
