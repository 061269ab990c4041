"""What each dependency weighs on this machine: the weights of docs/dependencies.md.

``python -m benchmarks.weights`` writes them there anew. A weight is the size of a package's installed files,
without byte code, in kB of 1,000 bytes.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "dependencies.md"
ROW = re.compile(r"^\| `(?P<name>[a-z0-9-]+)` \|(?P<weight>[^|]*)\|(?P<rest>.*)$", re.MULTILINE)


def weight(name: str) -> int | None:
    """Bytes that a package's files take, None if it is not installed here."""
    try:
        found = files(name) or []
    except PackageNotFoundError:
        return None
    paths = [Path(str(file.locate())) for file in found if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file())


def refreshed(text: str) -> str:
    """The page with the weights of what is installed here; what isn't keeps the weight that it has."""

    def row(match: re.Match[str]) -> str:
        size = weight(match["name"])
        shown = match["weight"].strip() if size is None else f"{max(1, round(size / 1000)):,} kB"
        return f"| `{match['name']}` | {shown} |{match['rest']}"

    return ROW.sub(row, text)


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text()))
    print(PAGE)
