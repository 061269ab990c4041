"""The client and the commands on the deployed product: the suite that runs on this machine too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.client.both import KINDS, Both, both
from tests.client.suite import *  # noqa: F403 (the tests)
from tests.localstack.project import Project

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(params=KINDS)
def on(request: pytest.FixtureRequest, desk: Project) -> Iterator[Both]:
    """A client of each kind."""
    with both(request.param, desk.url) as opened:
        yield opened


def test_a_command_finds_the_api_of_a_stack(desk: Project) -> None:
    words = f"run examples.count_slowly --to 2 --pause 0 --target localstack --stack {desk.stack}"
    done = subprocess.run(
        [sys.executable, "-m", "infra", *words.split()],
        env={**os.environ, "AWS_ENDPOINT_URL": desk.endpoint},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
    assert "2 of 2" in done.stderr
