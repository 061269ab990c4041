"""localstack-compose.yml: what stands in it, and the whole of it running."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import pytest
import yaml

pytest.importorskip("playwright.sync_api")
from playwright.sync_api import Browser

from infra.deploy.localstack import files_bucket
from tests.browser.conftest import DESKTOP, opened
from tests.browser.conftest import browser as browser
from tests.support.clone import copy_clone
from tests.support.docker import docker, require_docker
from tests.support.polling import eventually
from tests.support.ports import free_port
from tests.support.processes import ROOT

FILE = "localstack-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / FILE).read_text())["services"]
STORY = {"Short task": "finished", "Long task": "finished", "Task raises error": "failed"}
NEW_TASK = 'def greet(name: str) -> str:\n    """Greets."""\n    return f"Hello {name}."\n'


def test_functions_in_containers_of_their_own_reach_redis_by_its_name() -> None:
    document = yaml.safe_load((ROOT / FILE).read_text())
    (network,) = document["networks"].values()
    localstack = SERVICES["localstack"]
    # Without a fixed name Compose would prefix the project's, and functions would join no network of ours.
    assert localstack["environment"]["LAMBDA_DOCKER_NETWORK"] == network["name"]
    assert any(volume.endswith(":/var/run/docker.sock") for volume in localstack["volumes"])
    assert localstack["environment"]["LAMBDA_IGNORE_ARCHITECTURE"] == "1"
    assert "--parameter=RedisUrl=redis://redis:6379/0" in SERVICES["deploy"]["command"]
    assert all(service["networks"] == ["coatcheck"] for service in SERVICES.values())


def test_worker_and_functions_share_the_files_and_links_are_for_this_machine() -> None:
    worker, localstack = SERVICES["worker"]["environment"], SERVICES["localstack"]["environment"]
    assert worker["COATCHECK_FILES"] == f"s3://{files_bucket('coatcheck')}", "of the stack that deploy makes"
    assert "s3" in localstack["SERVICES"].split(",")
    assert f"--public-endpoint={worker['COATCHECK_FILES_ENDPOINT']}" in SERVICES["deploy"]["command"]
    assert worker["AWS_ENDPOINT_URL"] == SERVICES["deploy"]["environment"]["AWS_ENDPOINT_URL"]
    assert localstack["S3_SKIP_SIGNATURE_VALIDATION"] == "0", "else a changed or an old link is good"


def test_images_are_pinned_to_the_versions_that_work() -> None:
    assert SERVICES["localstack"]["image"] == "localstack/localstack:4.14.0"
    assert SERVICES["redis"]["image"] == "valkey/valkey:8-alpine"


def test_nothing_is_published_beyond_loopback_and_every_port_can_be_changed() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:${") for port in ports)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_memory_limit(name: str) -> None:
    assert SERVICES[name]["mem_limit"]


def test_services_start_after_what_they_need_is_healthy() -> None:
    healthy = {"condition": "service_healthy"}
    assert SERVICES["worker"]["depends_on"] == {"redis": healthy}
    assert SERVICES["deploy"]["depends_on"] == {
        "localstack": healthy,
        "redis": healthy,
        "worker": healthy,
    }
    assert SERVICES["redis"]["healthcheck"]
    assert SERVICES["localstack"]["healthcheck"]


def test_redis_keeps_every_write_and_never_evicts() -> None:
    command = SERVICES["redis"]["command"]
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "--stream-node-max-bytes 256" in command
    assert "--hash-max-listpack-value 1024" in command
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


class Project:
    """A copy of the project in a folder of its own, brought up as the README says."""

    def __init__(self, folder: Path) -> None:
        self.folder = copy_clone(folder)
        self.environ = os.environ | {
            "REDIS_PORT": str(free_port()),
            "LOCALSTACK_PORT": str(free_port()),
            "COMPOSE_PROJECT_NAME": "coatcheck-test",
            "WORKER_PROCESSES": "1",
        }

    def make(self, target: str) -> str:
        done = subprocess.run(
            ["make", target], cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self) -> str:
        """Bring everything up; returns the URL, which is the last line."""
        last = self.make("localstack").strip().splitlines()
        urls = [line for line in last[-3:] if line.startswith("http://localhost:")]
        assert urls, last
        return urls[-1].strip()

    def states(self) -> dict[str, str]:
        """Each service's state: healthy or not where it has a health check, else running or exited."""
        form = "{{.State.Status}},{{if .State.Health}}{{.State.Health.Status}}{{end}},{{.State.ExitCode}}"
        states = {}
        for service in SERVICES:
            found = docker("inspect", "--format", form, self._container(service)).strip()
            status, health, code = found.split(",")
            states[service] = health if status == "running" else f"{status} {code}"
        return states

    def logs(self, service: str) -> list[str]:
        """The lines that a service printed."""
        return docker("logs", self._container(service)).splitlines()

    def _container(self, service: str) -> str:
        labels = {"project": "coatcheck-test", "service": service}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        return docker("ps", "--all", "--quiet", *filters).strip()

    def close(self) -> None:
        command = ["docker", "compose", "--file", FILE, "down", "--volumes", "--rmi", "local"]
        subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    require_docker()
    if "Usage" not in docker("compose", "--help", check=False):
        pytest.fail("docker compose is missing")
    project = Project(tmp_path / "project")
    yield project
    project.close()


def call(url: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET, or with arguments POST; returns the JSON document."""
    body = None if arguments is None else json.dumps(arguments).encode()
    with urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=60) as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def submitted(url: str, task: str, arguments: dict[str, Any]) -> str:
    """Submit, and return the address that the answer's Location names."""
    body = json.dumps(arguments).encode()
    request = Request(f"{url}tasks/{task}", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=60) as answer:
        assert answer.status == 202
        return urljoin(url, str(answer.headers["Location"]))


def finished(url: str, task: str, arguments: dict[str, Any]) -> dict[str, Any]:
    address = submitted(url, task, arguments)
    return eventually(
        lambda: now if (now := call(address))["status"] == "finished" else None,
        seconds=60,
        what=f"{task} finishes",
    )


@pytest.mark.timeout(900)
def test_one_command_brings_all_up_jobs_survive_and_a_new_task_is_live(
    project: Project, browser: Browser
) -> None:
    url = project.up()
    assert project.states() == {
        "redis": "healthy",
        "localstack": "healthy",
        "worker": "healthy",
        "deploy": "exited 0",
    }
    with opened(browser, url, DESKTOP) as desk:
        desk.open()
        tickets = [desk.run(title) for title in STORY]
        for ticket, status in zip(tickets, STORY.values(), strict=True):
            ticket.becomes(status)
    job = finished(url, "examples.short_task", {})
    assert job["result"] == "Slept 1 second."
    for line in project.logs("worker"):
        assert {"time", "level", "message"} <= set(json.loads(line))

    project.make("localstack-down")
    (project.folder / "worker_image/tasks/mine.py").write_text(NEW_TASK)
    url = project.up()
    assert call(f"{url}jobs/{job['id']}")["result"] == "Slept 1 second.", "the job was kept"
    assert finished(url, "mine.greet", {"name": "Ada"})["result"] == "Hello Ada."

    (project.folder / "worker_image/tasks/mine.py").write_text(NEW_TASK.replace("Hello", "Good day"))
    assert project.up() == url, "while it runs, an edit keeps the address"
    eventually(
        lambda: finished(url, "mine.greet", {"name": "Ada"})["result"] == "Good day Ada.",
        what="the edit is live",
    )
    with pytest.raises(HTTPError, match="422"):
        call(f"{url}tasks/mine.greet", {})
