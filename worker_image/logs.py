"""How the pool and its workers log: readable lines on a laptop, a JSON document a line in a container."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

FIELDS = ("job", "task", "attempt", "outcome", "duration", "worker")
"""What a record may carry beside its text (``extra=``): ids and names, an attempt's number, seconds."""


class JSONFormatter(logging.Formatter):
    """Each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        document |= {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


def configure(log_format: str) -> None:
    """Log to standard error, as ``text`` or ``json`` (the setting LOG_FORMAT)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JSONFormatter() if log_format == "json" else logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("rq.worker", "rq.job", "rq.queue"):
        # RQ's loop adds a handler of its own unless there is one, and tells in English what ours do.
        logging.getLogger(name).setLevel(logging.WARNING)
