"""The part of ``docs/tutorial.md`` that runs in containers: each command prints what it says."""

from __future__ import annotations

import pytest

from tests.container.test_compose import Project, project
from tests.support.tutorial import IN_CONTAINERS, blocks, follow, lend_environment, terminals

__all__ = ["project"]


@pytest.mark.timeout(900)
def test_every_command_in_containers_prints_what_the_tutorial_says(project: Project) -> None:
    lend_environment(project.folder)
    own = [block for block in blocks() if "worker_image/tasks/words.py" in block.commands]
    there = [block for block in blocks() if block.section == IN_CONTAINERS]
    with terminals(project.folder, project.environ) as (first, second):
        follow(own + there, first, second)
