"""A project and its stack on LocalStack."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import boto3

from infra.deploy.localstack import files_bucket
from tests.support.polling import eventually
from tests.support.processes import ROOT


def copied(folder: Path) -> Path:
    """Copy what makes up the project into a folder, to deploy it from there. Returns the folder."""
    for room in ("coatcheck", "functions", "infra", "worker_image"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "template.yaml", folder)
    return folder


class Answer:
    """What a URL answered: its status, headers, body."""

    def __init__(self, response: Any) -> None:
        self.status: int = response.status
        self.headers = response.headers
        self.body: bytes = response.read()

    @property
    def document(self) -> Any:
        """The JSON in the body."""
        return json.loads(self.body)


class Project:
    """The commands of a project, called as a user does, for one stack.

    Takes the project's folder, the stack's name, and the URLs of LocalStack and Redis. Ends what it started,
    and deletes the stack.
    """

    def __init__(self, root: Path, stack: str, *, endpoint: str, redis_url: str) -> None:
        self.stack = stack
        self.endpoint = endpoint
        self.redis_url = redis_url
        self.url = ""
        self._root = root
        self._pool: subprocess.Popen[bytes] | None = None

    def run(self, command: str, *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """``coatcheck COMMAND --target localstack``; fails if it doesn't end with that status."""
        target = ["--target", "localstack", "--stack", self.stack]
        if not command.startswith("token"):
            target.append("--yes")
        done = subprocess.run(
            [sys.executable, "-m", "infra", *command.split(), *target, *arguments],
            cwd=self._root,
            env=self._environment(AWS_ENDPOINT_URL=self.endpoint),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stderr}"
        return done

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Deploy, and take the URL from the output's only line."""
        given = () if self.url else ("--parameter", f"RedisUrl={self.redis_url}")
        done = self.run("deploy", *given, *arguments)
        (self.url,) = done.stdout.splitlines()
        return done

    def start_workers(self, **variables: str) -> None:
        """Run the project's workers on the same Redis until the end, or until this is called again."""
        self._stop_workers()
        with (self._root / "workers.log").open("ab") as log:
            self._pool = subprocess.Popen(
                [sys.executable, "-m", "worker_image"],
                cwd=self._root,
                env=self._environment(
                    REDIS_URL=self.redis_url,
                    **self.files,
                    WORKER_PROCESSES="1",
                    WORKER_STOP_TIMEOUT="1",
                    MAX_TIME_TO_WAIT="2",
                    **variables,
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def workers_pid(self) -> int:
        """The process of the pool of workers."""
        assert self._pool is not None
        return self._pool.pid

    @property
    def files(self) -> dict[str, str]:
        """What tells a process where the stack's files are."""
        return {
            "COATCHECK_FILES": f"s3://{files_bucket(self.stack)}",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def ask(
        self, path: str, document: Any = None, method: str | None = None, token: str | None = None
    ) -> Answer:
        """Send a request to the API. Takes a path below the URL, or a whole URL."""
        data = None if document is None else json.dumps(document).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        request = Request(urljoin(self.url, path), data=data, headers=headers, method=method)
        try:
            with urlopen(request, timeout=60) as response:
                return Answer(response)
        except HTTPError as error:
            with error:
                return Answer(error)

    def finished(self, job: str) -> Any:
        """The job document once the job is over."""

        def ended() -> Any:
            found = self.ask(f"jobs/{job}").document
            return found if found["status"] in ("finished", "failed") else None

        return eventually(ended)

    def inventory(self) -> set[str]:
        """What LocalStack holds of all kinds that the template makes."""
        return set(_inventory(self.endpoint))

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop_workers()
        if self.url:
            self.run("destroy")

    def _stop_workers(self) -> None:
        if self._pool:
            self._pool.send_signal(signal.SIGTERM)
            self._pool.wait(20)
            self._pool = None

    def _environment(self, **variables: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "REDIS_"))}
        return kept | variables


def _inventory(endpoint: str) -> Iterator[str]:
    session = boto3.Session("test", "test", region_name="us-east-1")

    def client(service: str) -> Any:
        return session.client(service, endpoint_url=endpoint)

    for name, call, key, identifier in (
        ("cloudformation", "describe_stacks", "Stacks", "StackName"),
        ("lambda", "list_functions", "Functions", "FunctionName"),
        ("apigateway", "get_rest_apis", "items", "id"),
        ("s3", "list_buckets", "Buckets", "Name"),
        ("logs", "describe_log_groups", "logGroups", "logGroupName"),
        ("iam", "list_roles", "Roles", "RoleName"),
        ("sns", "list_topics", "Topics", "TopicArn"),
        ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        ("events", "list_rules", "Rules", "Name"),
        ("secretsmanager", "list_secrets", "SecretList", "Name"),
    ):
        for entry in getattr(client(name), call)()[key]:
            if entry.get("StackStatus") != "DELETE_COMPLETE":  # LocalStack goes on to list deleted stacks
                yield f"{name} {entry[identifier]}"
    keys = client("kms")
    for entry in keys.list_keys()["Keys"]:
        if keys.describe_key(KeyId=entry["KeyId"])["KeyMetadata"]["KeyState"] != "PendingDeletion":
            yield f"kms {entry['KeyId']}"
