"""docs/guarantees.md says what the code's own table of transitions says, and speaks of every script."""

from __future__ import annotations

import re

from coatcheck.scripts import FOLDER
from coatcheck.transitions import TRANSITIONS
from tests.support.lifecycle import DOCUMENT, with_parts

TEXT = DOCUMENT.read_text()
SUPPORT = {
    "beat",
    "take",
    "trim",
    "prune",
    "list",
    "batch",
    "doctor",
    "read",
    "log",
    "delivered",
    "equip",
    "upload",
}
"""Scripts that change no healthy job's status."""


def test_diagram_and_table_are_the_codes() -> None:
    assert with_parts(TEXT) == TEXT, "run: python -m tests.support.lifecycle"


def test_each_step_says_what_happens_when_its_performer_dies() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    assert {each.script for each in TRANSITIONS} <= rows


def test_every_script_that_changes_a_job_is_in_the_table() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.lua")} - SUPPORT
    assert scripts <= {each.script for each in TRANSITIONS}
