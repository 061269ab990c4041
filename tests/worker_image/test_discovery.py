"""The catalogue is made of the tasks' signatures; what can't be offered is an error that says where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from coatcheck.catalog import Catalog
from coatcheck.errors import CatalogError
from coatcheck.schedule import Schedule
from tests.support.processes import ROOT
from worker_image.discovery import Task, catalog_of, discover


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """An empty package of tasks, importable under the folder's name."""
    folder = tmp_path / f"tasks_{abs(hash(request.node.nodeid))}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return folder


def discovered(package: Path, **modules: str) -> dict[str, Task]:
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    return discover(package.name)


def faults(package: Path, **modules: str) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        discovered(package, **modules)
    return str(caught.value).splitlines()


def test_the_examples_are_the_tasks_of_the_story_first() -> None:
    tasks = discover("worker_image.tasks")
    assert [task.spec.title for task in tasks.values()][:3] == [
        "Short task",
        "Long task",
        "Task raises error",
    ]


def test_a_public_function_is_a_task_and_a_private_or_imported_one_is_not(package: Path) -> None:
    text = "from os.path import join\ndef shown(a: int) -> int: ...\ndef _hidden(a): ...\nclass Other: ...\n"
    assert list(discovered(package, jobs=text)) == ["jobs.shown"]


def test_tasks_of_nested_packages_have_their_path_in_the_name(package: Path) -> None:
    (package / "reports").mkdir()
    (package / "reports" / "__init__.py").touch()
    (package / "reports" / "monthly.py").write_text("def build() -> None: ...")
    assert list(discover(package.name)) == ["reports.monthly.build"]


def test_the_signature_becomes_the_schema(package: Path) -> None:
    text = '''
from typing import Annotated
from pydantic import Field
def work(count: Annotated[int, Field(ge=1, description="How many.")], note: str = "none") -> list[int]:
    """Does it.

    In detail.
    """
'''
    spec = discovered(package, jobs=text)["jobs.work"].spec
    assert spec.description == "Does it.\n\nIn detail."
    assert spec.schema["required"] == ["count"]
    assert spec.schema["additionalProperties"] is False
    assert spec.schema["properties"]["count"] == {
        "description": "How many.", "minimum": 1, "title": "Count", "type": "integer"
    }  # fmt: skip
    assert spec.schema["properties"]["note"]["default"] == "none"
    assert spec.result == {"items": {"type": "integer"}, "type": "array"}


def test_arguments_may_have_names_that_a_model_keeps_for_itself(package: Path) -> None:
    task = discovered(package, jobs="def work(schema: int, copy: str, model_config: bool) -> None: ...")[
        "jobs.work"
    ]
    assert list(task.spec.schema["properties"]) == ["schema", "copy", "model_config"]
    converted = task.convert({"schema": 1, "copy": "x", "model_config": True})
    assert converted == {"schema": 1, "copy": "x", "model_config": True}


def test_arguments_left_out_keep_the_functions_own_default(package: Path) -> None:
    task = discovered(package, jobs="SENTINEL = [1]\ndef work(a: list[int] = SENTINEL) -> None: ...")[
        "jobs.work"
    ]
    assert task.convert({}) == {}


def test_options_come_from_the_decorator(package: Path) -> None:
    text = """
from coatcheck import task
@task(name="other", title="Another", queue="slow", timeout=5, retries=3, retry_delays=[1, 2], result_ttl=60)
def work() -> None: ...
"""
    spec = discovered(package, jobs=text)["jobs.other"].spec
    assert (spec.title, spec.queue, spec.timeout, spec.retries) == ("Another", "slow", 5, 3)
    assert (spec.retry_delays, spec.result_ttl) == ((1, 2), 60)


def test_a_schedule_comes_from_the_decorator_and_survives_the_catalogues_file(package: Path) -> None:
    text = """
        from coatcheck import task

        @task(cron="0 3 * * *", timezone="Europe/Berlin", arguments={"a": 1}, overlap="queue", catch_up="all")
        def work(a: int) -> None: ...
    """
    catalog = catalog_of(discovered(package, jobs=dedent(text)))
    expected = Schedule("0 3 * * *", None, "Europe/Berlin", {"a": 1}, "queue", "all")
    assert [task.schedule for task in Catalog.loads(catalog.dumps()).tasks] == [expected]


def test_the_catalogue_survives_its_file_byte_for_byte() -> None:
    catalog = catalog_of(discover("worker_image.tasks"))
    assert Catalog.loads(catalog.dumps()) == catalog
    assert Catalog.loads(catalog.dumps()).dumps() == catalog.dumps()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("def work(a) -> None: ...", ["jobs.py:1", "function work", "argument a", "no type annotation"]),
        ("def work(*a: int) -> None: ...", ["function work", "argument a", "*args"]),
        ("def work(**a: int) -> None: ...", ["function work", "argument a", "**kwargs"]),
        ("def work(a: int, /) -> None: ...", ["function work", "argument a", "positional-only"]),
        (
            "import socket\ndef work(a: socket.socket) -> None: ...",
            ["jobs.py:2", "argument a", "no JSON Schema"],
        ),
        ("def work(a: 'Missing') -> None: ...", ["function work", "can't be resolved", "Missing"]),
        ("def work() -> object:\n    yield 1", ["function work", "generator"]),
        ("def work() -> None: ...\ndef work() -> None: ...", ["jobs.py:2", "function work", "defined twice"]),
        (
            "import missing_module",
            ["jobs.py", "can't be imported", "missing_module", "worker_image/requirements.in"],
        ),
        ("raise SystemExit(3)", ["jobs.py", "can't be imported", "SystemExit: 3"]),
        ("def work(:", ["jobs.py", "can't be imported", "SyntaxError"]),
        (
            "from coatcheck import task\n@task(timeout=0)\ndef work() -> None: ...",
            ["work", "timeout=0", "at least 1"],
        ),
        (
            "from coatcheck import task\n@task(cron='61 * * * *')\ndef work() -> None: ...",
            ["@task of", "work", "cron='61 * * * *'", "Bad minute"],
        ),
        (
            "from coatcheck import task\n@task(every=9, arguments={'a': 'x'})\ndef work(a: int) -> None: ...",
            [
                "jobs.py:2",
                "function work",
                "arguments of its schedule don't fit: /a Input should be a valid integer",
            ],
        ),
        (
            "from coatcheck import task\n@task(every='5m')\ndef work(a: int) -> None: ...",
            ["jobs.py:2", "function work", "arguments of its schedule don't fit: /a Field required"],
        ),
    ],
)
def test_a_fault_is_told_with_file_function_and_argument(package: Path, text: str, parts: list[str]) -> None:
    (line,) = faults(package, jobs=text)
    for part in parts:
        assert part in line


def test_the_same_name_from_two_functions_is_a_fault_that_names_both(package: Path) -> None:
    text = "from coatcheck import task\n@task(name='b')\ndef a() -> None: ...\ndef b() -> None: ...\n"
    (line,) = faults(package, jobs=text)
    assert "there is a task jobs.b already" in line
    assert "function a" in line and "function b" in line


def test_all_faults_are_told_at_once(package: Path) -> None:
    assert len(faults(package, one="def a(x): ...\ndef b(y): ...", two="import nothing_like_it")) == 3


def run_discovery(**environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "worker_image.discovery"],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_the_catalogue_and_nothing_else(package: Path) -> None:
    (package / "loud.py").write_text("print('noise')\ndef work() -> None: ...")
    done = run_discovery(COATCHECK_TASKS=package.name, PYTHONPATH=str(package.parent))
    assert [task["name"] for task in json.loads(done.stdout)["tasks"]] == ["loud.work"]
    assert "noise" in done.stderr


def test_the_command_fails_with_a_line_for_each_fault(package: Path) -> None:
    (package / "jobs.py").write_text("def a(x): ...\ndef b(y): ...")
    done = run_discovery(COATCHECK_TASKS=package.name, PYTHONPATH=str(package.parent))
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2


def test_the_command_never_imports_chalice() -> None:
    code = "import sys, worker_image.discovery as d; d.discover('worker_image.tasks'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "worker_image.tasks.examples" in modules
    assert "chalice" not in modules
