"""The rule for goals, tables, the document and the plot."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import document
from benchmarks.__main__ import BENCHMARKS
from benchmarks.harness import Figure, Goal, Options, Report, failed, measured, table
from benchmarks.plot import Bar, bars
from tests.support.processes import ROOT

PERFORMANCE = (ROOT / "docs" / "performance.md").read_text()


@pytest.mark.parametrize(
    ("values", "at_least", "verdict"),
    [
        ([1.9, 2.0, 2.1], True, "met"),
        ([1.0, 1.9, 2.0], True, "noise"),
        ([1.0, 1.9, 1.99], True, "missed"),
        ([1.9, 2.0, 2.1], False, "met"),
        ([2.0, 2.1, 9.0], False, "noise"),
        ([2.1, 2.2, 2.3], False, "missed"),
        ([1.9], True, "missed"),
    ],
)
def test_a_goal_is_missed_only_when_no_round_reaches_it(
    values: list[float], at_least: bool, verdict: str
) -> None:
    goal = Goal("a goal", 2.0, values, at_least)
    assert goal.verdict == verdict
    assert failed([goal]) == (verdict == "missed")


def test_a_ratio_compares_what_was_measured_in_the_same_round() -> None:
    report = Report("test", [Figure("ours", "s", [10.0, 40.0]), Figure("theirs", "s", [5.0, 10.0])])
    report.ratio("ours / theirs", "ours", "theirs", 3.0)
    assert report.goals[0].values == [2.0, 4.0]
    report.ratio("ours / not measured", "ours", "other", 3.0)
    assert len(report.goals) == 1


def test_a_quick_run_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.harness.RESULTS", tmp_path)
    measured(lambda options: Report("test"), Options(quick=True))
    measured(lambda options: Report("test"), Options(only=("part",)))
    assert not list(tmp_path.iterdir())
    full = measured(lambda options: Report("test", goals=[Goal("g", 1.0, [2.0])]), Options(rounds=2))
    assert Report.load(tmp_path / "test.json") == full


def test_numbers_stand_to_the_right() -> None:
    assert table([["", "jobs"], ["a", "1,000"], ["bc", "5"]]).splitlines() == [
        "|     |  jobs |",
        "| --- | ----: |",
        "| a   | 1,000 |",
        "| bc  |     5 |",
    ]


def test_a_block_of_the_document_is_made_anew_and_its_text_kept() -> None:
    text = "Said.\n<!-- test: made by benchmarks/document.py -->\nold\n<!-- end -->\nSaid too.\n"
    report = Report("test", [Figure("ours", "s", [1.0])], rounds=1)
    once = document.fill(text, {"test": report})
    assert once.startswith("Said.\n") and once.endswith("<!-- end -->\nSaid too.\n")
    assert "| ours |" in once and "old" not in once
    assert document.fill(once, {"test": report}) == once
    assert document.fill(once, {"other": report}) == once


def test_the_plot_is_the_same_for_the_same_figures_and_well_formed() -> None:
    items = [Bar("ours", 4000, 3000, 5000, ours=True), Bar("a <peer> & more", 80, 70, 90)]
    drawing = bars("a title", items)
    assert drawing == bars("a title", [replace(item) for item in items])
    root = ElementTree.fromstring(drawing)
    rectangles = root.findall("{http://www.w3.org/2000/svg}rect")
    assert [rectangle.get("class") for rectangle in rectangles] == ["ours", "bar"]
    assert float(rectangles[0].get("width", 0)) > float(rectangles[1].get("width", 0))
    assert "prefers-color-scheme:dark" in drawing


def test_the_document_has_a_block_and_the_command_of_each_benchmark() -> None:
    more = {"machine", "files_localstack"}  # the latter needs a LocalStack, which make bench does not start
    assert {match.group(2) for match in document.BLOCK.finditer(PERFORMANCE)} == {*BENCHMARKS, *more}
    for name in BENCHMARKS:
        assert f"python -m benchmarks.{name}" in PERFORMANCE


def test_the_readme_names_no_figure_of_speed_that_the_document_lacks() -> None:
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if "performance.md" in line)
    for figure in re.findall(r"\d[\d,.]*\d|\d", line):
        assert figure in PERFORMANCE


def test_the_peers_import_nothing_of_ours() -> None:
    for path in (ROOT / "benchmarks" / "peers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(name.partition(".")[0] not in ("coatcheck", "worker_image", "infra") for name in names)
            assert all(not name.startswith("benchmarks") or "peers" in name for name in names)
