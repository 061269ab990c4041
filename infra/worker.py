"""``coatcheck worker``: the pool of workers in this process."""

from __future__ import annotations

from argparse import Namespace

from worker_image import pool


def run(arguments: Namespace) -> int:
    """Carry out ``coatcheck worker``. Returns the exit status."""
    return pool.main()
