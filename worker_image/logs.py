"""How the pool and its workers log: readable lines on a laptop, a JSON document a line in a container."""

from __future__ import annotations

import logging
import sys

from coatcheck.log_lines import JSONFormatter


def configure(log_format: str) -> None:
    """Log to standard error, as ``text`` or ``json`` (the setting LOG_FORMAT)."""
    # What no line shows is not found out for each (logging HOWTO, "Optimization"): a worker logs two a job.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if log_format == "json" else logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("rq.worker", "rq.job", "rq.queue"):
        # RQ's loop adds a handler of its own unless there is one, and tells in English what ours do.
        logging.getLogger(name).setLevel(logging.WARNING)
