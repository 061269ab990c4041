"""What the public tools say of the template: nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.template import Template, dumps
from tests.support.missing import missing

CFN_LINT = Path(sys.executable).with_name("cfn-lint")
CHECKOV = Path(sys.prefix) / "checkov" / "bin" / "checkov"
"""It lives in an environment of its own: it insists on versions of its requirements that ours don't take."""
BY_SAM = {("RestAPIapiStage", "CKV_AWS_120")}
"""What SAM's transform loses: the stage that it makes of the API is without the API's suppression."""


@pytest.fixture(scope="module")
def files(merged: Template, expanded: Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the template for CloudFormation, what SAM makes of it, and one without suppressions."""
    folder = tmp_path_factory.mktemp("templates")
    bare = json.loads(dumps(merged))
    for resource in bare["Resources"].values():
        resource.get("Metadata", {}).pop("checkov", None)
    for name, template in {"merged": merged, "expanded": expanded, "bare": bare}.items():
        (folder / f"{name}.json").write_text(dumps(template))
    return folder


def lint(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [
        str(CFN_LINT),
        "--include-checks",
        "I",
        "--regions",
        "us-east-1",
        "--template",
        *map(str, paths),
    ]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def test_cfn_lint_has_nothing_to_say(files: Path) -> None:
    done = lint(files / "merged.json", files / "expanded.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_cfn_lint_would_say_something(tmp_path: Path) -> None:
    broken = {"Resources": {"Key": {"Type": "AWS::KMS::Key", "Properties": {"Colour": "red"}}}}
    (tmp_path / "broken.json").write_text(dumps(broken))
    done = lint(tmp_path / "broken.json")
    assert done.returncode != 0
    assert "'Colour'" in done.stdout


def checkov(folder: Path) -> dict[str, Any]:
    """What checkov says of the files in a folder. It runs offline."""
    if not CHECKOV.exists():
        missing("checkov (make .venv/checkov/.installed)")
    options = "--framework cloudformation --output json --compact --skip-download --soft-fail --directory ."
    command = [str(CHECKOV), *options.split()]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert isinstance(report, dict)
    return report


def results(report: dict[str, Any], kind: str, file: str) -> set[tuple[str, str]]:
    """Resource and check of all results of a kind for one of the files."""
    return {
        (check["resource"].rpartition(".")[2], check["check_id"])
        for check in report["results"][f"{kind}_checks"]
        if check["file_path"].endswith(f"{file}.json")
    }


def suppressions(template: Template) -> Iterator[tuple[tuple[str, str], str]]:
    """The checks that are switched off: resource and check, and the reason."""
    for name, resource in template["Resources"].items():
        for entry in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            yield (name, entry["id"]), entry["comment"]


def test_checkov_finds_only_what_is_suppressed_and_each_suppression_is_needed(
    files: Path, merged: Template
) -> None:
    report = checkov(files)  # once for all: it takes ten seconds to begin
    assert report["summary"]["parsing_errors"] == 0
    for file, known in {"merged": set(), "expanded": BY_SAM}.items():
        assert results(report, "failed", file) == known
        assert len(results(report, "passed", file)) > 90
    reasons = dict(suppressions(merged))
    assert results(report, "failed", "bare") == reasons.keys() == results(report, "skipped", "merged")
    assert all(len(reason) > 20 for reason in reasons.values())
