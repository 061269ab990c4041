"""Makes spans with OpenTelemetry. Imported only where tracing is on (``trace_context.open_tracing``).

Everything else is set by OpenTelemetry's own variables: OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME,
OTEL_TRACES_SAMPLER and the like. The spans follow its semantic conventions for HTTP and for messaging.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from coatcheck import __version__
from coatcheck.job import Submission
from coatcheck.trace_context import TraceContext, read_context

SYSTEM = "rq"
"""``messaging.system``: the data model of the queue."""
EXPORT_SECONDS = 2.0
"""How long the collector is waited for unless OTEL_EXPORTER_OTLP_TIMEOUT tells: Lambda answers after it."""
SCHEDULE_MILLISECONDS = 500.0
"""How long an ended span waits for others unless OTEL_BSP_SCHEDULE_DELAY tells: what a kill -9 may lose."""
TIMEOUTS = ("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")

_propagator = TraceContextTextMapPropagator()


class _Ids(RandomIdGenerator):
    """Random ids, but for this thread's next span those that were given."""

    def __init__(self) -> None:
        self._given = threading.local()

    def give(self, trace_id: int, span_id: int) -> None:
        """Choose the ids of this thread's next span; of the trace only where the span has no parent."""
        self._given.trace_id, self._given.span_id = trace_id, span_id

    def generate_trace_id(self) -> int:
        """The id of a new trace."""
        given: int = self._given.__dict__.pop("trace_id", 0)
        return given or super().generate_trace_id()

    def generate_span_id(self) -> int:
        """The next span's id."""
        self._given.__dict__.pop("trace_id", 0)
        given: int = self._given.__dict__.pop("span_id", 0)
        return given or super().generate_span_id()


class Tracing:
    """The spans of one process. Takes the service's name, which OTEL_SERVICE_NAME goes before."""

    def __init__(self, service: str) -> None:
        resource = Resource.create({"service.name": service, "service.version": __version__})
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=resource.merge(OTELResourceDetector().detect()), id_generator=self._ids
        )
        exporter = OTLPSpanExporter(timeout=None if any(map(os.environ.get, TIMEOUTS)) else EXPORT_SECONDS)
        delay = None if os.environ.get("OTEL_BSP_SCHEDULE_DELAY") else SCHEDULE_MILLISECONDS
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=delay))
        trace.set_tracer_provider(self._provider)  # so that other libraries' spans hang below ours
        self._tracer = self._provider.get_tracer("coatcheck", __version__)

    @contextmanager
    def request(
        self, method: str, route: str, path: str, parent: TraceContext | None
    ) -> Iterator[Callable[..., None]]:
        """A span around a request; yields what takes its status and further attributes at the end."""
        attributes = {"http.request.method": method, "http.route": route, "url.path": path}
        with self._tracer.start_as_current_span(
            f"{method} {route}", _context(parent), SpanKind.SERVER, attributes
        ) as span:

            def answered(status: int, **more: str) -> None:
                span.set_attributes({"http.response.status_code": status, **_dotted(more)})
                if status >= 500:
                    span.set_attribute("error.type", str(status))
                    span.set_status(Status(StatusCode.ERROR))

            yield answered

    @contextmanager
    def send(self, submissions: Sequence[Submission]) -> Iterator[TraceContext | None]:
        """A span around a submission; yields the context that its jobs carry."""
        queues = ",".join(dict.fromkeys(submission.queue for submission in submissions))
        attributes: dict[str, Any] = {
            "messaging.system": SYSTEM,
            "messaging.operation.type": "send",
            "messaging.operation.name": "submit",
            "messaging.destination.name": queues,
        }
        if len(submissions) == 1:
            attributes["messaging.message.id"] = submissions[0].id
            attributes["coatcheck.task"] = submissions[0].task
        else:
            attributes["messaging.batch.message_count"] = len(submissions)
        with self._tracer.start_as_current_span(f"submit {queues}", None, SpanKind.PRODUCER, attributes):
            yield self.current()

    @contextmanager
    def run(self, described: Mapping[str, Any]) -> Iterator[Callable[[Sequence[str] | None], None]]:
        """A span around a run of a job (``worker_image/spans.py`` describes it), current in the task.

        Yields what takes how it ended: an error's type, message and traceback, or None.
        """
        span = self._start_run(described, None)
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield lambda error: _end_run(span, "failed" if error else "finished", error)

    def report_run(
        self, described: Mapping[str, Any], seconds: float, outcome: str, error: Sequence[str] | None
    ) -> None:
        """The span of a run whose process could not end it itself. Takes how long it ran."""
        span = self._start_run(described, time.time_ns() - int(seconds * 1e9))
        _end_run(span, outcome, error)
        span.end()

    def _start_run(self, described: Mapping[str, Any], start: int | None) -> trace.Span:
        self._ids.give(int(described["trace_id"], 16), int(described["id"], 16))
        parent = read_context(described["traceparent"], described["tracestate"])
        return self._tracer.start_span(
            described["name"], _context(parent), SpanKind.CONSUMER, described["attributes"], start_time=start
        )

    def current(self) -> TraceContext | None:
        """The context of the current span; None where OTEL_SDK_DISABLED leaves none."""
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return read_context(carrier.get("traceparent", ""), carrier.get("tracestate", ""))

    def flush(self) -> None:
        """Send all spans that have ended. Returns when the collector has them, or can't be waited for."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send what is left, and end."""
        self._provider.shutdown()


@lru_cache(maxsize=1)
def start(service: str) -> Tracing:
    """The one Tracing of this process: OpenTelemetry's provider is global and can't be replaced."""
    return Tracing(service)


def _context(parent: TraceContext | None) -> Context:
    """Without a parent a trace of its own begins."""
    carrier = {} if parent is None else {"traceparent": parent.traceparent, "tracestate": parent.tracestate}
    return _propagator.extract(carrier, Context())


def _dotted(attributes: Mapping[str, str]) -> dict[str, str]:
    return {f"coatcheck.{name}": value for name, value in attributes.items()}


def _end_run(span: trace.Span, outcome: str, error: Sequence[str] | None) -> None:
    """Take in an error's type, message and, if there is one, traceback."""
    span.set_attribute("coatcheck.outcome", outcome)
    if error is None:
        return
    kind, message, *text = error
    span.set_status(Status(StatusCode.ERROR, f"{kind}: {message}"))
    span.set_attribute("error.type", kind)
    event = {"exception.type": kind, "exception.message": message}
    span.add_event("exception", event | dict(zip(["exception.stacktrace"], text, strict=False)))
