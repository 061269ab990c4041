"""``docs/tutorial.md`` is true: each of its commands is given, in a fresh clone, and prints what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clone import copy_clone
from tests.support.tutorial import IN_CONTAINERS, blocks, fits, follow, lend_environment, terminals


def test_each_block_says_what_it_prints() -> None:
    found = blocks()
    assert len(found) > 10
    assert {block.terminal for block in found} == {"", "terminal-1"}
    assert IN_CONTAINERS in {block.section for block in found}


def test_dots_stand_for_anything_and_all_else_for_itself() -> None:
    assert fits("a ... c\n", "a b\r\nb c\n")
    assert not fits("a ... c", "a b d")
    assert not fits("a", "a b")
    assert not fits("a.c", "abc")


@pytest.mark.timeout(300)
def test_every_command_for_this_machine_prints_what_the_tutorial_says(tmp_path: Path) -> None:
    clone = copy_clone(tmp_path / "clone")
    lend_environment(clone)
    variables = {"COATCHECK_NAMESPACE": "tutorial", "WORKER_PROCESSES": "2", "REDIS_URL": ""}
    with terminals(clone, variables) as (first, second):
        follow([block for block in blocks() if block.section != IN_CONTAINERS], first, second)
