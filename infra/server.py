"""The local HTTP server: Chalice's own, made fast, and answering in problem documents like the API."""

from __future__ import annotations

import base64
import logging
import math
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any, Protocol
from urllib.parse import parse_qs

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import (
    ChaliceRequestHandler,
    LambdaEventConverter,
    LocalChalice,
    LocalGateway,
    LocalGatewayAuthorizer,
    LocalGatewayException,
    MatchResult,
    RouteMatcher,
    ThreadedHTTPServer,
)

from coatcheck.errors import CrossSiteError, InternalError, InvalidRequestError, ProblemError
from infra.body import declared_length, read_body
from infra.cors import for_pages
from infra.file_routes import FileRoutes
from infra.head import HeaderLines
from infra.hosts import Hosts

IDLE_SECONDS = 75
"""How long a connection is kept that sends nothing."""
LINGER_SECONDS = 2.0
"""How long what a refused client still sends is thrown away, so that it gets to read the answer."""
BACKLOG = 1024
"""Connections that may wait to be accepted; one more tries again after a second."""
WRONG_HOST = "The request's Host is no name of this machine; COATCHECK_HOSTS names further ones."
NO_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
EXPOSED = "Allow, Retry-After"
"""Headers of these answers that pages of an allowed origin may read."""
OWN_HEADERS = ("connection", "content-length", "transfer-encoding")
"""Headers about the connection, which are the server's business."""

log = logging.getLogger("coatcheck.api")


class Answer(Protocol):
    """A response, as the functions make it."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> str:
        """The text of the body."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, without those about the connection."""


class Problems(Protocol):
    """How errors become answers: ``functions/chalicelib/problems.py``."""

    def problem(self, error: ProblemError) -> Answer:
        """The answer to an error."""

    def not_found(self, path: str) -> Answer:
        """The answer to a path that no route has."""

    def method_not_allowed(self, path: str, allowed: list[str]) -> Answer:
        """The answer to a method that a path does not take."""


class Routes(RouteMatcher):
    """Finds the route of a path, which may hold any character that a URL's path may hold."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(paths)
        self._templates = [(path, path.split("/")) for path in self.route_urls]

    def match_route(self, url: str) -> MatchResult:
        """The route, its parameters and those of the query. Raises ValueError when there is none."""
        path, _, query = url.partition("?")
        if path != "/":
            path = path.removesuffix("/")  # as API Gateway does
        parts = path.split("/")
        for route, template in self._templates:
            if len(parts) == len(template):
                pairs = list(zip(template, parts, strict=True))
                if all(name == part or name.startswith("{") for name, part in pairs):
                    captured = {name[1:-1]: part for name, part in pairs if name.startswith("{")}
                    return MatchResult(route, captured, parse_qs(query, keep_blank_values=True))
        raise ValueError(path)


class NoAuthorizer(LocalGatewayAuthorizer):
    """Lets every request pass: where there is no API Gateway, the app asks its authorizer by itself."""

    def authorize(self, raw_path: str, lambda_event: Any, lambda_context: Any) -> tuple[Any, Any]:
        """The request as it is."""
        return lambda_event, lambda_context


class ApiServer(ThreadedHTTPServer):
    """Serves a Chalice app on a port, a thread for each connection.

    Takes the app, how errors become answers, the address, the largest body in bytes, the names that it
    answers to (None: any), the origins whose pages may read its answers, what takes and sends files (None:
    nothing does), and what ``.chalice/config.json`` holds. Port 0: any free one. Raises OSError when the port
    can't be had.
    """

    request_queue_size = BACKLOG

    def __init__(
        self,
        app: Chalice,
        problems: Problems,
        address: tuple[str, int],
        *,
        max_body: int,
        hosts: Hosts | None = None,
        origins: tuple[str, ...] = (),
        files: FileRoutes | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(app, LocalChalice):
            # Chalice keeps the request in the app: here each thread needs one of its own.
            app.__class__ = type("ThreadedChalice", (LocalChalice, type(app)), {})
        self.app = app
        self.problems = problems
        self.max_body = max_body
        self.hosts = hosts
        self.origins = origins
        self.files = files
        self.gateway = LocalGateway(app, Config(config_from_disk=dict(config or {})))
        self.routes = Routes(list(app.routes))
        self.gateway.event_converter = LambdaEventConverter(self.routes, app.api.binary_types)
        self.gateway._authorizer = NoAuthorizer(app)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._idle = threading.Condition()
        self._active = 0
        super().__init__(address, ApiRequestHandler)

    def server_bind(self) -> None:
        """Bind, without looking the host's name up, which may take long where there is no network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a defect; that a client went away is none."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            log.exception("a request could not be answered")

    @contextmanager
    def active(self) -> Iterator[None]:
        """While a request is answered."""
        with self._idle:
            self._active += 1
        try:
            yield
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def drain(self, seconds: float) -> bool:
        """Wait until no request is being answered. Returns False when that took too long."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._active, seconds)


class ApiRequestHandler(ChaliceRequestHandler):
    """Answers the requests of one connection."""

    # Chalice's handler writes headers and body apart, and Nagle's algorithm then holds the body back
    # until the client's delayed acknowledgement, 40 ms later.
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    timeout = IDLE_SECONDS
    server: ApiServer
    rfile: Any
    path = ""
    command: str | None = None

    def __init__(self, request: Any, client_address: Any, server: ApiServer) -> None:
        self.local_gateway = server.gateway
        self._started = 0.0
        self._lingers = False
        BaseHTTPRequestHandler.__init__(self, request, client_address, server)

    def handle_any(self) -> None:
        """Answer one request."""
        with self.server.active():
            try:
                if self._answered_with_file():
                    return
                self._answer(read_body(self.rfile, self.headers, self.server.max_body))
            except ProblemError as error:
                self._refuse(self.server.problems.problem(error))
            self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = handle_any  # noqa: N815

    def parse_request(self) -> bool:
        """Read the request's line and headers, and begin to count its time."""
        self._started = time.monotonic()
        connection = self.rfile
        self.rfile = lines = HeaderLines(connection)
        try:
            understood: bool = super().parse_request()
        finally:
            self.rfile = connection
        if understood and (fault := lines.fault(self.headers, self.request_version)):
            self.send_error(HTTPStatus.BAD_REQUEST, fault)
            return False
        return understood

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is not HTTP as it should be; the base class calls this."""
        self.request_version = "HTTP/1.1"  # else a line that can't be read gets an answer without headers
        answer = self._other(str(self.command)) if code == HTTPStatus.NOT_IMPLEMENTED else None
        error = InvalidRequestError(f"The request is malformed: {message or HTTPStatus(code).phrase}.")
        self._refuse(answer or self.server.problems.problem(error))

    def finish(self) -> None:
        """End the connection."""
        if self._lingers:
            self._linger()
        super().finish()

    def handle_expect_100(self) -> bool:
        """Ask for the body, unless it will be refused."""
        with suppress(ProblemError):
            most = math.inf if FileRoutes.has(self.path) else self.server.max_body
            if "content-length" not in self.headers or declared_length(self.headers) <= most:
                super().handle_expect_100()
                self.wfile.flush()
        return True

    def version_string(self) -> str:
        """The Server header."""
        return "coatcheck"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: a request has one line in the log, written by ``_log_access``."""

    def _answered_with_file(self) -> bool:
        """Whether it is about a file: then it is answered. Raises CrossSiteError: under a wrong name."""
        if not self.path.startswith("/"):  # a proxy's form of a request: GET http://host/path
            self.path = "/" + self.path.partition("://")[2].partition("/")[2]
        files = self.server.files
        if files is None or not files.has(self.path):
            return False
        if self._wrong_host():
            raise CrossSiteError(WRONG_HOST)
        if self.command != "PUT":
            read_body(self.rfile, self.headers, self.server.max_body)
        files.answer(self)
        self.wfile.flush()
        return True

    def _wrong_host(self) -> bool:
        hosts = self.server.hosts
        return hosts is not None and not hosts.knows(self.headers.get("host"))

    def _answer(self, body: bytes) -> None:
        method = "GET" if self.command == "HEAD" else str(self.command)
        if self._wrong_host():
            self._send_answer(self.server.problems.problem(CrossSiteError(WRONG_HOST)))
            return
        if other := self._other(method):
            self._send_answer(other)
            return
        try:
            headers = self._merged_headers()
            response = self.local_gateway.handle_request(method, self.path, headers, body or None)
        except LocalGatewayException as error:
            self._send(error.CODE, error.headers, error.body or b"")
        except Exception:
            log.exception("%s %s failed", method, self.path)
            self._send_answer(self.server.problems.problem(InternalError("The API's log tells more.")))
        else:
            content = response["body"] or ""
            raw = base64.b64decode(content) if response.get("isBase64Encoded") else content.encode()
            self._send(response["statusCode"], response["headers"] | response["multiValueHeaders"], raw)

    def _other(self, method: str) -> Answer | None:
        """The answer to a path or a method that the app doesn't have."""
        path = self.path.partition("?")[0]
        try:
            methods = self.server.app.routes[self.server.routes.match_route(path).route]
        except ValueError:
            return self.server.problems.not_found(path)
        if method in methods or (method == "OPTIONS" and any(entry.cors for entry in methods.values())):
            return None
        allowed = [*methods, *(["HEAD"] if "GET" in methods else [])]
        return self.server.problems.method_not_allowed(path, allowed)

    def _merged_headers(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for name, value in self.headers.items():
            key = name.lower()
            merged[key] = f"{merged[key]}, {value}" if key in merged else value
        return merged

    def _refuse(self, answer: Answer) -> None:
        """Answer and end the connection: what the client sends next can't be told from the body."""
        self.close_connection = self._lingers = True
        self._send_answer(answer)

    def _linger(self) -> None:
        """Throw away what still comes: closing on unread data would reset the connection, answer and all."""
        end = time.monotonic() + LINGER_SECONDS
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.rfile.read1(65536):
                    break

    def _send_answer(self, answer: Answer) -> None:
        more = for_pages(getattr(self, "headers", None), self.server.origins, EXPOSED)
        self._send(answer.status, {**answer.headers, **more}, answer.body.encode())

    def _send(self, status: int, headers: Mapping[str, Any], body: bytes) -> None:
        self.send_response(status)
        for name, values in headers.items():
            if name.lower() not in OWN_HEADERS:
                for value in values if isinstance(values, list) else [values]:
                    self.send_header(name, str(value))
        self.send_connection()
        if status not in NO_BODY:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status not in NO_BODY and self.command != "HEAD":
            self.wfile.write(body)
        where = headers.get("Location") if status < HTTPStatus.MULTIPLE_CHOICES else None
        self.log_access(status, str(where[0] if isinstance(where, list) else where or ""))

    def send_connection(self) -> None:
        """The header that tells whether the connection is kept."""
        if self.close_connection:
            self.send_header("Connection", "close")
        elif self.request_version == "HTTP/1.0":
            self.send_header("Connection", "keep-alive")

    def refuse_method(self, allowed: list[str]) -> None:
        """Answer that the path does not take the method."""
        self._refuse(self.server.problems.method_not_allowed(self.path.partition("?")[0], allowed))

    def log_access(self, status: int, where: str = "") -> None:
        """Write the request's line to the log. Takes where the job is that it made."""
        reading = self.command in ("GET", "HEAD") and status < HTTPStatus.BAD_REQUEST
        level = logging.DEBUG if reading else logging.INFO
        milliseconds = (time.monotonic() - self._started) * 1000
        more = f" {where}" if where else ""  # tells the job's id
        # The link of a file is a secret: whoever has it has the file.
        path = self.path.partition("?")[0] if FileRoutes.has(self.path) else self.path
        log.log(level, "%s %s %d %.0f ms%s", self.command or "?", path, status, milliseconds, more)
