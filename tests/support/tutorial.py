"""Carries out what ``docs/tutorial.md`` says: its commands, and what stands below each of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"
FENCE = re.compile(r"^```(\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:8000"
"""Where the tutorial finds the product; a test may find it elsewhere."""
IN_CONTAINERS = "The same in containers, as on AWS"
"""The section that needs Docker."""
END = "--- that was all:"


def _environment() -> dict[str, str]:
    """The tests' own, without make's variables: below another make it would tell of its folders first."""
    ours = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    return {name: value for name, value in os.environ.items() if name not in ours}


@dataclass(frozen=True)
class Block:
    """Commands, in which terminal they are given, and what they print."""

    section: str
    terminal: str
    commands: str
    printed: str


def blocks() -> list[Block]:
    """All blocks, in order. Raises ValueError: one does not say what it prints."""
    found = []
    for section in TUTORIAL.read_text().split("\n## ")[1:]:
        fences = FENCE.findall(section)
        for (kind, terminal, commands), (below, _, printed) in zip(fences[::2], fences[1::2], strict=True):
            if (kind, below) != ("sh", "text"):
                raise ValueError(f"a block of {kind} is followed by one of {below}: {commands}")
            found.append(Block(section.partition("\n")[0], terminal, commands, printed))
    return found


def fits(expected: str, printed: str) -> bool:
    """Whether a text is as the tutorial says, where ``...`` is anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
    return re.fullmatch(pattern, printed.replace("\r", "").strip(), re.DOTALL) is not None


def lend_environment(clone: Path) -> None:
    """Give a clone what ``make`` would install: it takes ours, and this test no network."""
    programs = clone / ".venv" / "bin"
    programs.mkdir(parents=True)
    script = programs / "coatcheck"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m infra "$@"\n')
    script.chmod(0o755)
    for name in (".made", ".installed"):
        (clone / ".venv" / name).touch()


class Shell:
    """A terminal: what one command sets, the next one knows."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=_environment() | dict(variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, commands: str) -> str:
        """Give commands. Returns what they print; fails the test when the last one fails."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{commands}\ncode=$?; echo; echo '{END}' $code\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(END):
                assert line.split()[-1] == "0", "".join(lines)
                return "".join(lines)
            lines.append(line)
        raise AssertionError(f"the shell ended: {''.join(lines)}")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


class Terminal:
    """The terminal in which ``make up`` runs."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._variables = variables
        self._process: subprocess.Popen[str] | None = None
        self.address = ADDRESS

    def run(self, command: str) -> str:
        """Start it, after Ctrl-C to what ran before. Returns the first line, and notes the address."""
        self.interrupt()
        with (self._folder / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                command.split(),
                cwd=self._folder,
                env=_environment() | dict(self._variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("http://"), (self._folder / "up.log").read_text()
        self.address = line.strip().removeprefix("http://").rstrip("/")
        return line

    def interrupt(self) -> None:
        """Ctrl-C."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGINT)
            self._process.wait(60)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


@contextmanager
def terminals(folder: Path, variables: Mapping[str, str]) -> Iterator[tuple[Terminal, Shell]]:
    """The first terminal and the second one."""
    first, second = Terminal(folder, variables), Shell(folder, variables)
    try:
        yield first, second
    finally:
        second.close()
        first.interrupt()


def follow(chosen: list[Block], first: Terminal, second: Shell) -> None:
    """Do what the blocks say, and hold what is printed to them."""
    for block in chosen:
        if block.terminal:
            printed = first.run(block.commands)
        else:
            printed = second.run(block.commands.replace(ADDRESS, first.address))
        expected = block.printed.replace(ADDRESS, first.address)
        assert fits(expected, printed), f"{block.commands}\nprinted\n{printed}\nand not\n{expected}"
