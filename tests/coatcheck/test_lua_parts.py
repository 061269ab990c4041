"""What scripts share: each names the parts that it uses, and no others.

Redis refuses a name that is not there, but only when a call comes by; and a part that nobody uses costs each
call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from coatcheck.codec import SHOWN_FIELDS, SUMMARY_FIELDS
from coatcheck.scripts import FOLDER, needs, source

SCRIPTS = sorted(FOLDER.glob("*.lua"))
PARTS = sorted((FOLDER / "parts").glob("*.lua"))
NO_CODE = re.compile(r"--.*|'[^'\n]*'")
FUNCTION = re.compile(r"local function (\w+)")
VALUES = re.compile(r"local (?!function )(\w+(?:, \w+)*)")
NAME = re.compile(r"(?<![.\w])[A-Za-z_]\w*")


def names_made(lines: Iterable[str]) -> set[str]:
    """The local functions and values that these lines make."""
    made: set[str] = set()
    for line in lines:
        made.update(FUNCTION.findall(line))
        for values in VALUES.findall(line):
            made.update(values.split(", "))
    return made


def given(part: Path) -> set[str]:
    """The names that a part has for others."""
    return names_made(line for line in part.read_text().splitlines() if line.startswith("local "))


def used(text: str) -> set[str]:
    """The parts whose names stand in a text of Lua that makes none of that name."""
    code = NO_CODE.sub("", text)
    names = {*NAME.findall(code)} - names_made(code.splitlines())
    return {part.stem for part in PARTS if names & given(part)}


def test_no_two_parts_have_the_same_name_for_something() -> None:
    names = [name for part in PARTS for name in given(part)]
    assert len(names) == len({*names})


@pytest.mark.parametrize("file", [*SCRIPTS, *PARTS], ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_each_names_just_the_parts_that_it_uses(file: Path) -> None:
    text = file.read_text()
    named = needs(text)
    assert sorted(named) == sorted(used(text))
    assert len(named) == len({*named})


def test_each_part_is_used() -> None:
    assert {part.stem for part in PARTS} == {
        part for script in SCRIPTS for part in _behind(script.read_text())
    }


def _behind(text: str) -> set[str]:
    """All parts that stand before a text."""
    return {
        name
        for part in needs(text)
        for name in (part, *_behind((FOLDER / "parts" / f"{part}.lua").read_text()))
    }


def test_a_script_stands_behind_its_parts_and_they_behind_theirs() -> None:
    text = source("cancel")
    places = [
        text.index(f"function {name}(")
        for name in ("key", "iso", "place", "set_status", "call_back", "finish")
    ]
    assert places == sorted(places)
    assert text.endswith((FOLDER / "cancel.lua").read_text())
    assert text.count("function key(") == 1


def test_the_check_sees_a_part_that_is_not_named() -> None:
    assert used("-- now, says the clock\nlocal key = 1\nreturn {key, name.now, iso(), 'prefix'}") == {
        "calendar"
    }


def test_a_job_is_shown_with_the_fields_that_are_read() -> None:
    lua = re.search(r"local fields = {(.*?)}", (FOLDER / "parts" / "shown.lua").read_text(), re.DOTALL)
    assert lua is not None
    assert re.findall(r"'(\w+)'", lua[1]) == [name.decode() for name in SHOWN_FIELDS]
    assert {*SUMMARY_FIELDS} - {"description"} <= {name.decode() for name in SHOWN_FIELDS}
