"""The context of a trace as it travels: in a request's headers, and in a job's hash.

W3C Recommendation "Trace Context" (traceparent, tracestate). Light: knows nothing of OpenTelemetry, which
is imported (``coatcheck/tracing.py``) only where the setting OTEL_TRACES_EXPORTER asks for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coatcheck.errors import SettingsError
from coatcheck.settings import Settings

if TYPE_CHECKING:
    from coatcheck.tracing import Tracing

TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?")
MEMBER = re.compile(
    r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
MAX_MEMBERS = 32
MAX_STATE = 512
"""Longest tracestate that is passed on, in characters."""
MAX_PARENT = 256
"""Longest traceparent that is looked at: later versions may be longer than today's 55 characters."""


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of some process that others may be children of. Both texts are valid as W3C defines them."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 hexadecimal digits."""
        return self.traceparent[3:35]


def read_context(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """The context of two texts from outside; None when the first is invalid.

    An invalid tracestate is left out, as the recommendation asks for.
    """
    match = TRACEPARENT.fullmatch(traceparent) if len(traceparent) <= MAX_PARENT else None
    if match is None:
        return None
    version, trace_id, parent_id, _, more = match.groups()
    if version == "ff" or not trace_id.strip("0") or not parent_id.strip("0") or (version == "00" and more):
        return None
    return TraceContext(traceparent, tracestate if _valid_state(tracestate) else "")


def _valid_state(text: str) -> bool:
    if len(text) > MAX_STATE:
        return False
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    keys = {member.partition("=")[0] for member in members}
    return len(members) <= MAX_MEMBERS and len(keys) == len(members) and all(map(MEMBER.fullmatch, members))


def open_tracing(settings: Settings, service: str) -> Tracing | None:
    """What makes this process' spans; None where tracing is off. Takes the service's default name.

    Raises SettingsError: tracing is on, and OpenTelemetry is not installed.
    """
    if settings.traces != "otlp":
        return None
    try:
        from coatcheck.tracing import start
    except ImportError as error:
        raise SettingsError(
            "OTEL_TRACES_EXPORTER=otlp needs opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http,"
            f" and there is no {error.name}; docs/operations.md tells how to add them"
        ) from None
    return start(service)
