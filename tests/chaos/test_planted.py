"""The judge finds what was planted, and finds nothing where nothing was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.planted import BUGS, Bug, plant
from tests.chaos.run import report
from tests.chaos.scenarios import SCENARIOS, play


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_product_keeps_its_promises(scenario: str, tmp_path: Path) -> None:
    verdict = play(scenario, tmp_path / "run", plant((), tmp_path / "product"))
    assert not verdict.problems, report(verdict)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug, tmp_path: Path) -> None:
    verdict = play(bug.scenario, tmp_path / "run", plant(bug.edits, tmp_path / "product"), bug.patience)
    assert {problem.rule for problem in verdict.problems} & bug.rules, report(verdict)
