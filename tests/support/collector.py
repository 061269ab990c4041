"""A collector of traces: takes OTLP over HTTP, as OpenTelemetry sends it, and keeps the spans."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.polling import eventually


@dataclass(frozen=True)
class Span:
    """One span that arrived; times are seconds since 1970."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    start: float
    end: float
    attributes: dict[str, Any]
    failed: bool
    message: str
    events: dict[str, dict[str, Any]]


class Collector:
    """Listens on loopback while the context lasts."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        handler = type("Handler", (_Handler,), {"collector": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    @property
    def environment(self) -> dict[str, str]:
        """Variables that send a process' spans here."""
        endpoint = f"http://127.0.0.1:{self._server.server_port}"
        return {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}

    def named(self, name: str, number: int = 1) -> list[Span]:
        """Wait for so many spans of a name; in the order of their start."""

        def found() -> list[Span]:
            return [span for span in self.spans if span.name == name]

        eventually(lambda: len(found()) >= number, what=f"{number} spans {name}")
        return sorted(found(), key=lambda span: span.start)

    def take(self, body: bytes) -> None:
        """Read what an exporter posted."""
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = _attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans += [_span(service, span) for span in scope.spans]

    def __enter__(self) -> Collector:
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    collector: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        self.collector.take(body)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Nothing."""


def _span(service: str, span: Any) -> Span:
    return Span(
        service=service,
        name=span.name,
        kind=type(span).SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        start=span.start_time_unix_nano / 1e9,
        end=span.end_time_unix_nano / 1e9,
        attributes=_attributes(span.attributes),
        failed=span.status.code == 2,
        message=span.status.message,
        events={event.name: _attributes(event.attributes) for event in span.events},
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}
