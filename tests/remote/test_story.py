"""The README's terminal."""

from tests.remote.conftest import Shell
from tests.remote.story import BLOCK, README, recorded, told


def test_the_readme_shows_what_a_terminal_shows(shell: Shell) -> None:
    found = BLOCK.search(README.read_text())
    assert found
    assert told(recorded(shell)) == told(found[0]), "to record it anew: python -m tests.remote.story"
