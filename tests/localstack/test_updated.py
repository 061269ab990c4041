"""A stack on LocalStack over its whole life: made, changed, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.localstack.project import Project, copied
from tests.support.processes import ROOT

pytestmark = pytest.mark.timeout(600)

ROUTE = """

@app.route("/greeting")
def greeting() -> dict[str, str]:
    return {"greeting": "good evening"}
"""
TASK = '''

def greet(name: str) -> str:
    """Greets somebody."""
    return f"Good evening, {name}"
'''


def test_a_changed_project_is_there_after_the_next_deployment_and_nothing_after_destroy(
    localstack: str, redis_url: str, tmp_path: Path
) -> None:
    copy = copied(tmp_path)
    with Project(copy, "changing", endpoint=localstack, redis_url=redis_url) as project:
        before = project.inventory()
        project.deploy("--parameter", "Namespace=changing")
        url = project.url
        assert project.inventory() > before
        assert project.ask("greeting").status == 404
        assert project.ask("tasks/greetings.greet", {"name": "you"}).status == 404

        with (copy / "functions" / "app.py").open("a") as file:
            file.write(ROUTE)
        (copy / "worker_image" / "tasks" / "greetings.py").write_text(TASK)
        for _ in range(2):  # and once more on top of an update
            project.deploy()
            assert project.url == url
            assert project.ask("greeting").document == {"greeting": "good evening"}
            assert project.ask("tasks/examples.short_task").status == 200

        project.start_workers(COATCHECK_NAMESPACE="changing")
        job = project.finished(project.ask("tasks/greetings.greet", {"name": "you"}).document["id"])
        assert job["result"] == "Good evening, you"

        (copy / "functions" / "app.py").write_text((ROOT / "functions" / "app.py").read_text())
        project.deploy()
        assert project.ask("greeting").status == 404
        assert project.ask("tasks").status == 200

        assert project.run("destroy").stdout == "nothing remains\n"
        assert project.inventory() == before
        assert project.run("status", status=2).stdout == ""
