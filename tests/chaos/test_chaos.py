"""A part of the chaos suite that is short enough for each test run. ``make chaos`` runs all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import Run, chaos, report
from tests.support.missing import missing
from tests.support.servers import FAKETIME


def test_clocks_can_be_set() -> None:
    if not FAKETIME:
        missing("libfaketime, so no clock was set in the chaos suite")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [101, 102, 103])
def test_every_promise_is_kept_whatever_breaks(seed: int, tmp_path: Path) -> None:
    verdict = chaos(Run(seed, jobs=350, seconds=32.0, gap=1.9), tmp_path)
    print(report(verdict))
    assert not verdict.problems, report(verdict)
    assert verdict.jobs > 300
    assert verdict.faults.total() > 10
