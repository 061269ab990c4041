"""The three tasks of the story at a terminal, as the README shows them.

``python -m tests.remote.story`` records them anew; ``test_story.py`` holds the README to what is seen.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from tests.infra.product import Product
from tests.remote.conftest import Shell
from tests.support.processes import ROOT

README = ROOT / "README.md"
BLOCK = re.compile(r"(?<=<!-- story -->\n```console\n).*?(?=```\n)", re.DOTALL)
TASKS = ("examples.short_task", "examples.long_task", "examples.task_raises_error")
ID = re.compile(r"\b[0-9a-z]{36}\b")
SHOWN = "01m889z8fjnzmch4yfcd5x01r2ket1dt8hcw"


def recorded(shell: Shell) -> str:
    """What somebody sees who runs the three."""
    seen = []
    for task in TASKS:
        with shell.terminal("run", task) as terminal:
            status = terminal.end()
            seen.append(f"$ coatcheck run {task}\n{terminal.screen}\n")
    return "".join(seen) + f"$ echo $?\n{status}\n"


def told(text: str) -> str:
    """The same without what differs from run to run: ids, times, and who was faster."""
    text = re.sub(r"[0-9]+\.[0-9] (s|seconds)\b", r"N \1", ID.sub(SHOWN, text))
    return text.replace(f"{SHOWN} started\n", f"{SHOWN} queued\n")


def main() -> None:
    """Put what is seen now into the README."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        with Product(data, "--port", "0") as product:
            product.until_ready()
            seen = ID.sub(SHOWN, recorded(Shell(data, Path(name))))
    README.write_text(BLOCK.sub(lambda _: seen, README.read_text(), count=1))


if __name__ == "__main__":
    main()
