"""A stack on LocalStack that asks for tokens, and one that changes its mind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localstack.project import Project, copied
from tests.support.polling import eventually

pytestmark = pytest.mark.timeout(600)
TOKENS = ("--parameter", "AuthMode=tokens")
TASK = "tasks/examples.short_task"


@pytest.fixture(scope="module")
def guarded(localstack: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project as a stack that takes tokens."""
    copy = copied(tmp_path_factory.mktemp("guarded"))
    with Project(copy, "guarded", endpoint=localstack, redis_url=redis_url) as project:
        done = project.deploy(*TOKENS, "--parameter", "Namespace=guarded")
        assert "coatcheck token create NAME --target localstack --stack guarded" in done.stderr
        yield project


def made(project: Project, name: str, *options: str) -> str:
    return project.run(f"token create {name}", *options).stdout.strip()


def test_nobody_is_let_in_without_a_token_but_to_the_page_and_health(guarded: Project) -> None:
    for path in ("", "static/app.js"):
        assert guarded.ask(path).status == 200
    assert guarded.ask("health").status in (200, 503)
    for path, document in (("tasks", None), ("jobs", None), ("openapi.json", None), (TASK, {})):
        answer = guarded.ask(path, document)
        assert answer.status == 401, path
        assert answer.document["type"] == "urn:coatcheck:problem:unauthorized"


def test_a_token_is_known_within_seconds_and_its_scope_holds(guarded: Project) -> None:
    reader, submitter = made(guarded, "reader", "--scope", "read"), made(guarded, "submitter")
    eventually(lambda: guarded.ask("queues", token=reader).status == 200)
    eventually(lambda: guarded.ask("queues", token=submitter).status == 200)
    assert guarded.ask(TASK, {}, token=reader).status == 403
    answer = guarded.ask(TASK, {}, token=submitter)
    assert answer.status == 202
    job = f"jobs/{answer.document['id']}"
    assert guarded.ask(job, token=submitter).status == 200
    assert guarded.ask(job, token=reader).status == 404, "it is another owner's"
    assert guarded.ask("queues", token=reader[:-1] + "-").status == 401


def test_a_file_is_its_owners(guarded: Project) -> None:
    ann, bob = made(guarded, "file-ann"), made(guarded, "file-bob")
    for token in (ann, bob):
        eventually(lambda token=token: guarded.ask("queues", token=token).status == 200)  # type: ignore[misc]
    answer = guarded.ask("uploads", {"name": "a.csv", "type": "text/csv", "size": 0}, token=ann)
    assert answer.status == 201
    path = f"uploads/{answer.document['id']}"
    for method in ("GET", "DELETE"):
        assert guarded.ask(path, method=method, token=bob).status == 404
    assert guarded.ask(f"{path}/complete", {}, token=bob).status == 404
    assert guarded.ask(path, token=ann).status == 200


def test_a_revoked_token_ends_within_a_minute(guarded: Project) -> None:
    token = made(guarded, "leaver", "--tasks", "examples.*")
    eventually(lambda: guarded.ask("queues", token=token).status == 200)
    assert "leaver" in guarded.run("token list").stdout
    guarded.run("token revoke", "leaver")
    eventually(lambda: guarded.ask("queues", token=token).status == 401, seconds=60)


def test_a_stack_that_was_open_can_be_closed(localstack: str, redis_url: str, tmp_path: Path) -> None:
    with Project(copied(tmp_path), "closing", endpoint=localstack, redis_url=redis_url) as project:
        before = project.inventory()
        project.deploy("--parameter", "Namespace=closing")
        assert project.ask("queues").status == 200
        project.deploy(*TOKENS)
        assert project.ask("queues").status == 401
        token = made(project, "ann")
        eventually(lambda: project.ask("queues", token=token).status == 200)
        project.deploy("--parameter", "AuthMode=none")
        assert project.ask("queues").status == 200
        project.run("destroy")
        project.url = ""
        assert project.inventory() == before
