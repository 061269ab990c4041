"""A server that answers like the little of LocalStack that finding it takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

IDENTITY = (
    b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
    b"<Account>000000000000</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@contextmanager
def localstack_like() -> Iterator[tuple[str, list[str]]]:
    """Gives the server's URL, and the credentials that requests were signed with."""
    signed: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"{}" if self.path == "/_localstack/health" else b"?")

        def do_POST(self) -> None:
            signed.append(self.headers["Authorization"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(IDENTITY)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", signed
        finally:
            server.shutdown()
