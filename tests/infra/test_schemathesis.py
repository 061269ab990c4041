"""Schemathesis tries every operation of the OpenAPI document on the running product, with all its checks."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli import main
from tests.infra.product import Start
from tests.support.processes import ROOT

CONFIG = ROOT / "tests" / "support" / "schemathesis.toml"
CASES = 2000
"""The fewest requests that must have been tried, with authentication and without."""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("auth", ["none", "tokens"])
def test_no_request_at_all_gets_an_answer_that_is_not_documented(
    auth: str, start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    product = start(COATCHECK_AUTH=auth, MAX_TIME_TO_WAIT="1", COATCHECK_MAX_WAIT="0")
    options: list[str] = []
    if auth == "tokens":
        arguments = ["fuzz", "--scope", "admin", "--target", "local", "--data", str(product.data)]
        assert main(["token", "create", *arguments]) == 0
        options = ["--header", f"Authorization: Bearer {capsys.readouterr().out.strip()}"]
    program = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [program, "--config-file", CONFIG, "run", f"{product.url}openapi.json", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=380,
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-20_000:]
    counted = re.search(r"(\d+) generated", printed)
    assert counted is not None and int(counted[1]) >= CASES, printed[-2000:]
    assert "Traceback" not in product.log()
