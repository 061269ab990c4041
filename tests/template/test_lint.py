"""What the public tools say of the template: nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.template import Template, dumps
from tests.support.missing import missing

CHECKOV = Path(sys.prefix) / "checkov" / "bin" / "checkov"
"""It lives in an environment of its own: it insists on versions of its requirements that ours don't take."""


@pytest.fixture(params=["merged", "expanded"])
def template(request: pytest.FixtureRequest) -> Template:
    """The template as it is given to CloudFormation, and what SAM makes of it."""
    found: Template = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def file(template: Template, tmp_path: Path) -> Path:
    path = tmp_path / "template.json"
    path.write_text(dumps(template))
    return path


def test_cfn_lint_has_nothing_to_say(file: Path) -> None:
    command = [sys.executable, "-m", "cfnlint", "--include-checks", "I", "--regions", "us-east-1", "--template", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_cfn_lint_would_say_something(merged: Template, tmp_path: Path) -> None:
    broken = json.loads(dumps(merged))
    broken["Resources"]["WorkerTask"]["Properties"]["Memory"] = "1"
    path = tmp_path / "template.json"
    path.write_text(dumps(broken))
    done = subprocess.run([sys.executable, "-m", "cfnlint", "--template", str(path)], capture_output=True, text=True)
    assert done.returncode != 0 and "E3047" in done.stdout


@pytest.fixture
def checkov() -> Callable[[Path], dict[str, Any]]:
    """Runs checkov on a file, offline. Returns its report."""
    if not CHECKOV.exists():
        missing("checkov (make .venv/checkov/.installed)")

    def run(path: Path) -> dict[str, Any]:
        options = "--framework cloudformation --output json --compact --skip-download --soft-fail"
        command = [str(CHECKOV), *options.split(), "--file", path.name]
        done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert isinstance(report, dict)
        return report

    return run


def suppressions(template: Template) -> Iterator[tuple[str, str, str]]:
    """The checks that are switched off: resource, check, reason."""
    for name, resource in template["Resources"].items():
        for entry in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            yield name, entry["id"], entry["comment"]


def test_checkov_finds_no_fault(
    template: Template, file: Path, merged: Template, checkov: Callable[[Path], dict[str, Any]]
) -> None:
    report = checkov(file)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 90
    # SAM leaves the suppression of the API at the API, and makes the stage that checkov means.
    known = {("RestAPIapiStage", "CKV_AWS_120")} if template is not merged else set()
    failed = {
        (check["resource"].rpartition(".")[2], check["check_id"]) for check in report["results"]["failed_checks"]
    }
    assert failed == known


def test_each_suppression_is_needed_and_has_its_reason(
    merged: Template, tmp_path: Path, checkov: Callable[[Path], dict[str, Any]]
) -> None:
    wanted = {(name, check): reason for name, check, reason in suppressions(merged)}
    assert wanted and all(len(reason) > 20 for reason in wanted.values())
    bare = json.loads(dumps(merged))
    for resource in bare["Resources"].values():
        resource.get("Metadata", {}).pop("checkov", None)
    path = tmp_path / "template.json"
    path.write_text(dumps(bare))
    failed = {
        (check["resource"].rpartition(".")[2], check["check_id"])
        for check in checkov(path)["results"]["failed_checks"]
    }
    assert failed == wanted.keys()
