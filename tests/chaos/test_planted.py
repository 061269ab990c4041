"""The judge finds what was planted, and finds nothing where nothing was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.planted import BUGS, Bug, plant
from tests.chaos.run import report
from tests.chaos.scenarios import SCENARIOS, play

PROMISED_SECONDS = 15
"""How long the job of a killed worker may wait for its next run (README, "What is promised")."""


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if "default lease" not in name])
def test_the_product_keeps_its_promises(scenario: str, tmp_path: Path) -> None:
    verdict = play(scenario, tmp_path / "run", plant((), tmp_path / "product"))
    assert not verdict.problems, report(verdict)


def test_a_lost_worker_is_noticed_in_the_promised_time(tmp_path: Path) -> None:
    verdict = play("a killed worker, with the default lease", tmp_path)
    assert not verdict.problems, report(verdict)
    assert 0 < verdict.slowest(alone=True) <= PROMISED_SECONDS, report(verdict)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug: Bug, tmp_path: Path) -> None:
    verdict = play(bug.scenario, tmp_path / "run", plant(bug.edits, tmp_path / "product"), bug.patience)
    assert {problem.rule for problem in verdict.problems} & bug.rules, report(verdict)
