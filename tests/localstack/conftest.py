"""A real LocalStack, and a real Redis that its functions reach."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from infra.embedded import find_server
from tests.browser.conftest import browser
from tests.localstack.project import Project, copied
from tests.support.missing import missing
from tests.support.polling import eventually
from tests.support.ports import free_port

__all__ = ["browser"]

STARTER = "COATCHECK_TEST_LOCALSTACK"
"""Names a program that starts LocalStack on ``--port N``, prints its URL, and ends it with ``--stop``;
"none": this machine has none, and that is known."""
RUNNING = "LOCALSTACK_ENDPOINT"
"""Or the URL of a LocalStack that runs already, on this machine and not in a container, with
S3_SKIP_SIGNATURE_VALIDATION=0."""


@pytest.fixture(scope="session")
def localstack() -> Iterator[str]:
    """The URL of LocalStack."""
    starter = os.environ.get(STARTER)
    if endpoint := os.environ.get(RUNNING):
        yield endpoint
    elif starter == "none":
        pytest.skip("this machine can't start LocalStack")
    elif not starter:
        missing(f"LocalStack: set {STARTER} to a program that starts it, or {RUNNING} to its URL")
    else:
        command = [starter, "--port", str(free_port())]
        try:
            yield started(command) or started(command) or pytest.fail(f"{starter} could not start LocalStack")
        finally:
            subprocess.run([*command, "--stop"], stdout=subprocess.DEVNULL, check=True)


def started(command: list[str]) -> str | None:
    """The URL of a LocalStack that a command starts.

    None if it did not start, which a very busy machine may once be the reason of.
    """
    # Links to files are checked as on AWS (localstack-compose.yml says so too).
    environ = os.environ | {"S3_SKIP_SIGNATURE_VALIDATION": "0"}
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        subprocess.run([*command, "--stop"], stdout=subprocess.DEVNULL, check=True)
        return None
    return done.stdout.split()[0]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis on a port of loopback."""
    port = free_port()
    options = f"--port {port} --bind 127.0.0.1 --save --appendonly no"
    folder = tmp_path_factory.mktemp("redis")
    process = subprocess.Popen(
        [find_server(), *options.split(), "--dir", str(folder)], stdout=subprocess.DEVNULL
    )

    def answers() -> Any:
        try:
            with redis.Redis(port=port) as client:
                return client.ping()
        except redis.ConnectionError:
            return False

    try:
        eventually(answers)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def desk(localstack: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of this project, deployed as the stack ``desk``, with workers on the same Redis."""
    copy = copied(tmp_path_factory.mktemp("desk"))
    with Project(copy, "desk", endpoint=localstack, redis_url=redis_url) as project:
        project.deploy()
        project.start_workers()
        yield project
