"""The deployed product on LocalStack: the API behind its stage, the workers on the same Redis, the page."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest

from tests.browser.conftest import DESKTOP, opened
from tests.localstack.project import Project

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(600)


def test_the_url_is_below_a_stage(desk: Project) -> None:
    assert re.fullmatch(rf"{desk.endpoint}/_aws/execute-api/\w+/api/", desk.url)


def test_a_job_goes_through_the_api_to_a_worker_and_back(desk: Project) -> None:
    answer = desk.ask("tasks/examples.short_task", {})
    assert answer.status == 202
    assert answer.document["status"] == "queued"
    job = desk.finished(answer.document["id"])
    assert job["status"] == "finished"
    assert job["error"] is None
    assert [entry["id"] for entry in desk.ask("jobs").document["jobs"]].count(job["id"]) == 1


def test_the_location_and_the_links_lead_to_the_job(desk: Project) -> None:
    answer = desk.ask("tasks/examples.count_slowly", {"to": 1, "pause": 0})
    for link in (answer.headers["Location"], answer.document["links"]["self"]):
        assert desk.ask(urljoin(desk.url, link)).document["id"] == answer.document["id"]
    desk.finished(answer.document["id"])


def test_a_failure_tells_its_reason(desk: Project) -> None:
    job = desk.finished(desk.ask("tasks/examples.task_raises_error", {}).document["id"])
    assert job["status"] == "failed"
    assert job["error"]["type"] == "ZeroDivisionError"


def test_wrong_arguments_are_refused_as_a_problem(desk: Project) -> None:
    answer = desk.ask("tasks/examples.count_slowly", {"to": "many"})
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.document["errors"]] == ["/to"]


def test_the_page_and_all_its_files_load_below_the_stage(desk: Project) -> None:
    page = desk.ask("")
    assert page.headers["Content-Type"].startswith("text/html")
    names = re.findall(r'(?:src|href)="(static/[^"]+)"', page.body.decode())
    assert len(names) >= 3
    for name in names:
        file = desk.ask(name)
        assert file.status == 200, name
        assert len(file.body) > 100
        kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[name.rpartition(".")[2]]
        assert file.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize("slash", ["/", ""])
def test_the_page_runs_a_task_in_a_browser(browser: Browser, desk: Project, slash: str) -> None:
    with opened(browser, desk.url, DESKTOP) as page:
        page.open(desk.url.rstrip("/") + slash)
        ticket = page.run("Short task")
        ticket.becomes("finished")
        assert page.job(ticket.id)["status"] == "finished"


def test_health_tells_of_the_workers(desk: Project) -> None:
    answer = desk.ask("health")
    assert (answer.status, answer.document["queues"]) == (200, {"default": {"workers": 1}})


def test_a_warm_answer_is_fast(desk: Project) -> None:
    desk.ask("tasks")
    begin = time.monotonic()
    for _ in range(10):
        assert desk.ask("queues").status == 200
    assert (time.monotonic() - begin) / 10 < 1


def test_status_outputs_and_logs_tell_of_it(desk: Project) -> None:
    assert desk.run("status").stdout.splitlines()[1] == desk.url
    assert f"URL  {desk.url}" in re.sub(" +", "  ", desk.run("outputs").stdout)
    answer = desk.ask("queues")
    assert answer.status == 200
    assert re.search(r" api +START RequestId: [0-9a-f-]{36}", desk.run("logs").stdout)


def test_deploying_the_same_again_changes_nothing(desk: Project) -> None:
    done = json.loads(desk.run("deploy", "--json").stdout)
    assert (done["changes"], done["url"]) == ([], desk.url)
    assert desk.ask("tasks").status == 200


def test_an_unknown_path_is_not_found(desk: Project) -> None:
    assert desk.ask("nothing/here").status == 404
    assert desk.ask("tasks", method="DELETE").status == 404
