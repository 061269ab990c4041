"""The app as Chalice and Lambda meet it: imported with nothing around, set up at the first request."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import app
from chalicelib import context as contexts
from coatcheck.catalog import Catalog
from coatcheck.errors import CatalogError, SettingsError
from tests.functions.client import FUNCTIONS, Api

ROUTES = {
    ("GET", "/"),
    ("GET", "/static/{name}"),
    ("GET", "/static/{version}/{name}"),
    ("GET", "/tasks"),
    ("GET", "/tasks/{name}"),
    ("POST", "/tasks/{name}"),
    ("POST", "/jobs"),
    ("GET", "/jobs"),
    ("GET", "/jobs/{id}"),
    ("DELETE", "/jobs/{id}"),
    ("GET", "/jobs/{id}/log"),
    ("GET", "/jobs/{id}/deliveries"),
    ("POST", "/jobs/{id}/deliveries"),
    ("POST", "/jobs/{id}/retry"),
    ("GET", "/batches/{id}"),
    ("DELETE", "/batches/{id}"),
    ("GET", "/queues"),
    ("POST", "/uploads"),
    ("GET", "/uploads/{id}"),
    ("DELETE", "/uploads/{id}"),
    ("POST", "/uploads/{id}/complete"),
    ("GET", "/schedules"),
    ("GET", "/schedules/{name}"),
    ("POST", "/schedules/{name}/pause"),
    ("POST", "/schedules/{name}/resume"),
    ("POST", "/schedules/{name}/run"),
    ("GET", "/metrics"),
    ("GET", "/health"),
    ("GET", "/openapi.json"),
    ("POST", "/_run_task"),
    ("GET", "/status/{id}"),
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A process that has answered nothing yet and has no setting."""
    for variable in ("REDIS_URL", "COATCHECK_CATALOG"):
        monkeypatch.delenv(variable, raising=False)
    contexts.use(None)
    yield Api()
    contexts.use(None)


def run(code: str) -> str:
    """What Python prints for this code in a fresh process without environment."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{FUNCTIONS}{os.pathsep}{FUNCTIONS.parent}"}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_the_app_has_exactly_the_documented_routes() -> None:
    questions = {("OPTIONS", path) for _, path in ROUTES}
    found = {(method, path) for path, methods in app.routes.items() for method in methods}
    assert found == ROUTES | questions


def test_the_app_imports_without_environment_and_without_what_only_workers_need() -> None:
    ours = ["worker_image", "infra", "coatcheck.doctor"]
    heavy = [*ours, "rq", "pydantic", "boto3", "botocore", "fastjsonschema", "yaml"]
    code = f"import sys, app; print([name for name in {heavy} if name in sys.modules])"
    assert run(code) == "[]"


def test_a_submission_imports_no_task_and_nothing_that_only_workers_need(tmp_path: Path) -> None:
    catalog = tmp_path / "catalog.json"
    catalog.write_text(
        '{"format": 1, "version": "", "tasks": [{"name": "heavy.train", "title": "Train", "description": "",'
        ' "schema": {"type": "object"}, "result": {}, "queue": null, "timeout": null, "retries": null,'
        ' "retry_delays": [], "result_ttl": null}]}'
    )
    code = f"""
import sys
from app import app
from chalicelib import context
variables = {{"REDIS_URL": "redis://127.0.0.1:1", "COATCHECK_CATALOG": {str(catalog)!r}}}
context.prepare(variables | {{"COATCHECK_AUTH": "tokens"}})
event = {{
    "headers": {{}}, "pathParameters": {{"name": "heavy.train"}}, "multiValueQueryStringParameters": None,
    "stageVariables": None, "body": "{{}}",
    "requestContext": {{
        "httpMethod": "POST", "resourcePath": "/tasks/{{name}}",
        "authorizer": {{"principalId": "ann", "scopes": "submit", "tasks": "*"}},
    }},
}}
status = app(event, None)["statusCode"]
heavy = ("rq", "pydantic", "worker_image", "heavy", "tasks", "boto3", "botocore")
heavy += ("coatcheck.token_store", "coatcheck.waiting")
print(status, [name for name in heavy if name in sys.modules])
"""
    assert run(code) == "503 []"


def test_given_no_redis_url_then_a_request_is_answered_with_a_clear_problem(
    bare: Api, caplog: pytest.LogCaptureFixture
) -> None:
    reply = bare.get("/tasks")
    assert reply.is_problem(500, "internal-error")
    assert "REDIS_URL is not set" in reply.json["detail"]
    assert "REDIS_URL is not set" in caplog.text


def test_given_no_redis_url_then_the_page_is_served_all_the_same(bare: Api) -> None:
    assert bare.get("/").status == 200


def test_given_no_catalogue_then_the_problem_names_its_path(
    bare: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("COATCHECK_CATALOG", "/nowhere/catalog.json")
    reply = bare.get("/tasks")
    assert reply.is_problem(500, "internal-error")
    assert "/nowhere/catalog.json" in reply.json["detail"]


def test_given_settings_that_appear_later_then_the_next_request_uses_them(
    bare: Api, monkeypatch: pytest.MonkeyPatch, catalog: Catalog, tmp_path: Path
) -> None:
    assert bare.get("/tasks").status == 500
    (tmp_path / "catalog.json").write_text(catalog.dumps())
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("COATCHECK_CATALOG", str(tmp_path / "catalog.json"))
    assert bare.get("/tasks").json["version"] == catalog.version


def test_the_settings_are_read_once(
    bare: Api, monkeypatch: pytest.MonkeyPatch, catalog: Catalog, tmp_path: Path
) -> None:
    (tmp_path / "catalog.json").write_text(catalog.dumps())
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("COATCHECK_CATALOG", str(tmp_path / "catalog.json"))
    assert bare.get("/tasks").status == 200
    (tmp_path / "catalog.json").unlink()
    assert bare.get("/tasks").status == 200


def test_a_server_can_fail_at_its_start() -> None:
    with pytest.raises(SettingsError, match="REDIS_URL"):
        contexts.prepare({})
    with pytest.raises(CatalogError, match="nowhere"):
        contexts.prepare({"REDIS_URL": "redis://127.0.0.1:1", "COATCHECK_CATALOG": "nowhere"})


def test_without_a_setting_the_catalogue_is_the_one_beside_the_app() -> None:
    assert contexts.PACKAGED_CATALOG == FUNCTIONS / "catalog.json"
