"""Compiles an unpacked package. Run by ``archive`` in an interpreter of its own, as a file.

Arguments: the folder, and the entries in it whose source stays.
"""

from __future__ import annotations

import sys
from importlib.util import cache_from_source
from pathlib import Path
from py_compile import PycInvalidationMode, PyCompileError, compile

ROOT = "/var/task"
"""Where Lambda unpacks it: what a traceback shows."""


def main(folder: Path, sources: list[str]) -> int:
    """Compile every module. Returns the exit status: 1 for a fault in one whose source stays."""
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder)
        stays = name.parts[0] in sources
        # Unchecked: Python never compares it with its source, whose time no zip file keeps.
        target = cache_from_source(str(path), optimization="") if stays else str(path.with_suffix(".pyc"))
        try:
            compile(
                str(path),
                target,
                dfile=f"{ROOT}/{name}",
                doraise=True,
                invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
            )
        except PyCompileError as error:
            if not stays:
                continue  # not everything that a package calls .py is Python: its templates, for one
            print(error.msg.strip(), file=sys.stderr)
            return 1
        if not stays:
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
