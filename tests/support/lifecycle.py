"""The diagram and the table of a job's life in docs/guarantees.md, made from the code's own table.

``python -m tests.support.lifecycle`` writes them anew; ``tests/test_guarantees.py`` fails when they are not
what the code says.
"""

from __future__ import annotations

import re
from pathlib import Path

from coatcheck.transitions import TRANSITIONS, Transition
from tests.support.processes import ROOT

DOCUMENT = ROOT / "docs" / "guarantees.md"
BEGIN, END = "<!-- {name}: made by tests/support/lifecycle.py -->", "<!-- end of {name} -->"


def diagram() -> str:
    """A state diagram in Mermaid: an arrow for each pair of statuses, with the names of its transitions."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for each in TRANSITIONS:
        if each.source != each.target:
            arrows.setdefault((_state(each.source), _state(each.target)), []).append(each.name)
    lines = [f"    {source} --> {target}: {', '.join(names)}" for (source, target), names in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def table() -> str:
    """Every transition: from, to, who, which script, when."""
    head = ["| transition | from → to | by | script | when |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *(_row(each) for each in TRANSITIONS)])


def with_parts(document: str) -> str:
    """The document with diagram and table as the code has them."""
    for name, part in (("diagram", diagram()), ("transitions", table())):
        begin, end = BEGIN.format(name=name), END.format(name=name)
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        assert pattern.search(document), f"{begin} is missing"
        document = pattern.sub(lambda _: f"{begin}\n{part}\n{end}", document)  # noqa: B023 (used at once)
    return document


def _row(each: Transition) -> str:
    script = f"`{each.script}`"
    if each.script.islower():
        script = f"[{script}](../coatcheck/lua/{each.script}.lua)"
    change = f"{each.source or 'none'} → {each.target or 'none'}"
    return f"| {each.name} | {change} | {each.by} | {script} | {each.when} |"


def _state(status: str | None) -> str:
    return status or "[*]"


if __name__ == "__main__":
    Path(DOCUMENT).write_text(with_parts(DOCUMENT.read_text()))
