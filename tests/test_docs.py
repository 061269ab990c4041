"""The documents tell what the code does: settings, commands and problems, no more and no less."""

from __future__ import annotations

import re

import pytest

from coatcheck.errors import problem_classes
from coatcheck.settings import SETTINGS, Setting
from infra.cli import build_parser
from tests.support.processes import ROOT

README = (ROOT / "README.md").read_text()
OUTSIDE = {"MAX_TIME_TO_WAIT"}
"""Settings of the example tasks, which are no settings of Coatcheck's."""


def row(setting: Setting) -> str:
    """A setting's row in the README."""
    default = ",".join(setting.default) if isinstance(setting.default, tuple) else setting.default
    shown = "" if default in (None, "", False) else f"`{default}`"
    return f"| `{setting.variable}` | {shown} | {setting.help} |"


def test_the_table_of_settings_is_the_codes() -> None:
    rows = [line for line in README.splitlines() if re.match(r"\| `[A-Z_]+` \|", line)]
    assert rows == [row(setting) for setting in SETTINGS]


def test_every_setting_that_a_document_names_exists() -> None:
    named: set[str] = set()
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]:
        named |= set(re.findall(r"\b(?:COATCHECK|WORKER)_[A-Z_]+\b", path.read_text()))
    assert named - OUTSIDE <= {setting.variable for setting in SETTINGS}


def test_every_command_is_in_the_readme_and_every_one_there_exists() -> None:
    choices = next(action.choices for action in build_parser()._actions if isinstance(action.choices, dict))
    assert set(re.findall(r"^\| `coatcheck (\w+)", README, re.MULTILINE)) == set(choices)


@pytest.mark.parametrize("problem", problem_classes(), ids=lambda problem: problem.slug)
def test_every_problem_is_documented(problem: type) -> None:
    assert problem.type_uri() in (ROOT / "docs" / "problems.md").read_text()  # type: ignore[attr-defined]
