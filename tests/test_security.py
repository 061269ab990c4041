"""SECURITY.md and docs/asvs.md: each test that they name exists, no requirement of ASVS is passed over."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

import pytest

from tests.support.processes import ROOT

TESTS = ROOT / "tests"
SECURITY, ASVS = ROOT / "SECURITY.md", ROOT / "docs" / "asvs.md"
NAMED = re.compile(r"`((?:[a-z_]+/)*test_[a-z_]+\.py)::(test_[a-zA-Z0-9_]+)`")
APPLIES = re.compile(r"^\| (\d+\.\d+\.\d+) \|.*\|$", re.MULTILINE)
SPAN = re.compile(r"^- ([\d., -]+):", re.MULTILINE)
EXCLUDED = re.compile(r"(\d+\.\d+\.\d+)(?: - (\d+\.\d+\.\d+))?")

LEVELS_1_AND_2 = """
1.1: 1-2; 1.2: 1-9; 1.3: 1-11; 1.4: 1-3; 1.5: 1-2; 2.1: 1-3; 2.2: 1-3; 2.3: 1-4; 2.4: 1; 3.2: 1-2; 3.3:
1-4; 3.4: 1-6; 3.5: 1-5; 3.7: 1-2; 4.1: 1-3; 4.2: 1; 4.3: 1-2; 4.4: 1-4; 5.1: 1; 5.2: 1-3; 5.3: 1-2; 5.4:
1-3; 6.1: 1-3; 6.2: 1-12; 6.3: 1-4; 6.4: 1-4; 6.5: 1-5; 6.6: 1-3; 6.8: 1-4; 7.1: 1-3; 7.2: 1-4; 7.3: 1-2;
7.4: 1-5; 7.5: 1-2; 7.6: 1-2; 8.1: 1-2; 8.2: 1-3; 8.3: 1; 8.4: 1; 9.1: 1-3; 9.2: 1-4; 10.1: 1-2; 10.2:
1-2; 10.3: 1-4; 10.4: 1-11; 10.5: 1-5; 10.6: 1-2; 10.7: 1-3; 11.1: 1-2; 11.2: 1-3; 11.3: 1-3; 11.4: 1-4;
11.5: 1; 11.6: 1; 12.1: 1-3; 12.2: 1-2; 12.3: 1-4; 13.1: 1; 13.2: 1-5; 13.3: 1-2; 13.4: 1-5; 14.1: 1-2;
14.2: 1-4; 14.3: 1-3; 15.1: 1-3; 15.2: 1-3; 15.3: 1-7; 16.1: 1; 16.2: 1-5; 16.3: 1-4; 16.4: 1-3; 16.5:
1-3; 17.1: 1; 17.2: 1-4; 17.3: 1-2
"""
"""The numbers of ASVS 5.0.0's requirements of these levels, by section."""

Number = tuple[int, ...]


def number(text: str) -> Number:
    return tuple(int(part) for part in text.split("."))


def requirements() -> set[Number]:
    found: set[Number] = set()
    for section, first, last in re.findall(r"(\d+\.\d+):\s(\d+)(?:-(\d+))?", LEVELS_1_AND_2):
        found |= {(*number(section), each) for each in range(int(first), int(last or first) + 1)}
    return found


@lru_cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def missing(text: str) -> list[str]:
    """The tests that a document names and that do not exist."""
    return [
        f"{file}::{name}"
        for file, name in NAMED.findall(text)
        if not (TESTS / file).is_file() or name not in functions(TESTS / file)
    ]


@pytest.mark.parametrize("document", [SECURITY, ASVS], ids=lambda path: path.name)
def test_every_test_that_is_named_exists(document: Path) -> None:
    text = document.read_text()
    assert len(NAMED.findall(text)) > 20
    assert missing(text) == []


def test_a_name_that_does_not_exist_is_found() -> None:
    assert missing("`test_security.py::test_nothing` `no/test_file.py::test_x`") == [
        "test_security.py::test_nothing",
        "no/test_file.py::test_x",
    ]


def test_each_threat_names_what_stops_it_and_a_test() -> None:
    table = SECURITY.read_text().partition("<!-- threats -->")[2].partition("<!-- end of threats -->")[0]
    rows = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    assert len(rows) > 20
    for row in rows:
        assert all(cell.strip() for cell in row[-4:]), row
        assert NAMED.search(row[-1]), row


def test_each_requirement_is_met_or_said_not_to_apply() -> None:
    text = ASVS.read_text()
    told = [number(found) for found in APPLIES.findall(text)]
    excluded: set[Number] = set()
    for line in SPAN.findall(text):
        for first, last in EXCLUDED.findall(line):
            low, high = number(first), number(last or first)
            excluded |= {each for each in requirements() if low <= each <= high}
    assert len(told) == len(set(told)), "none twice"
    assert not set(told) & excluded
    assert set(told) | excluded == requirements()
