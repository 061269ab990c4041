"""Counts the work-horses, which end by SIGKILL, in the coverage: they can't write at their end."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

INTERVAL = 0.3
"""Seconds between two writes. What runs in the last of them is not counted."""


def keep_coverage() -> None:
    """Write what was covered so far again and again, if this process is a work-horse that is measured."""
    coverage: Any = sys.modules.get("coverage")
    current = coverage.Coverage.current() if coverage else None
    if current is not None and "worker_image.horse" in sys.orig_argv:
        threading.Thread(target=_write, args=(current,), daemon=True).start()


def _write(current: Any) -> None:
    while True:
        time.sleep(INTERVAL)
        current.save()
