"""``coatcheck package``: the function package as a file, without deploying it."""

from __future__ import annotations

import sys
from argparse import Namespace

from infra.package.build import build_package


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck package``. Returns the exit status; prints the archive's path.

    Raises PackageError, CatalogError.
    """
    made = build_package(arguments.output)
    print(made.archive)
    print(
        f"{made.size / 1e6:.2f} MB, {len(made.catalog.tasks)} tasks, SHA-256 {made.digest}",
        file=sys.stderr,
    )
    return 0
