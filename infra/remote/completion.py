"""``coatcheck completion``: what makes a shell complete the commands, their options and the tasks' names."""

from __future__ import annotations

import argparse

import shtab

BASH = """\
_coatcheck_tasks() {
  compgen -W "$(coatcheck tasks --quiet 2>/dev/null)" -- "$1"
}
"""
ZSH = """\
_coatcheck_tasks() {
  compadd -- ${(f)"$(coatcheck tasks --quiet 2>/dev/null)"}
}
"""
PREAMBLE = {"bash": BASH, "zsh": ZSH}


def run(shell: str, parser: argparse.ArgumentParser) -> int:
    """Print the script for a shell. Takes the parser of all commands. Returns the exit status."""
    print(shtab.complete(parser, shell=shell, preamble=PREAMBLE.get(shell, "")), flush=True)
    return 0
