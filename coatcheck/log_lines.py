"""Log records as lines of JSON, with what they are about: the request, the job, the trace."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

FIELDS = (
    "request",
    "method",
    "path",
    "status",
    "job",
    "jobs",
    "task",
    "attempt",
    "outcome",
    "duration",
    "worker",
    "trace_id",
)
"""What a line may have beside its text: ids and names, an attempt's number, seconds."""

about: ContextVar[Mapping[str, Any]] = ContextVar("about", default=MappingProxyType({}))
"""The fields of every line that is logged here and now; a record's own (``extra=``) go before them."""


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
        known = {**about.get(), **record.__dict__}
        document |= {name: known[name] for name in FIELDS if name in known}
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)
