"""The local HTTP server, spoken to through raw sockets, in front of a small app."""

from __future__ import annotations

import json
import logging
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import pytest
from chalice.app import AuthRequest, AuthResponse, Chalice, CORSConfig, Response

from chalicelib import problems
from infra.server import IDLE_SECONDS, ApiRequestHandler, ApiServer
from tests.support.polling import eventually

MAX_BODY = 10_000


class Gate:
    """Holds a request up until the test opens it."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()


def small_app(gate: Gate) -> Chalice:
    app = Chalice(app_name="small", configure_logs=False)

    @app.route("/")
    def root() -> str:
        return "root"

    @app.route("/echo/{name}", methods=["GET", "POST"], content_types=["*/*"])
    def echo(name: str) -> dict[str, Any]:
        request = app.current_request
        assert request is not None
        query = {} if request.query_params is None else dict(request.query_params)
        headers = dict(request.headers)
        body = request.raw_body
        return {
            "name": unquote(name),
            "query": query,
            "body": body.decode() if isinstance(body, bytes) else body,
            "method": request.method,
            "seen": headers.get("x-seen"),
        }

    @app.route("/cors", cors=CORSConfig(allow_origin="https://example.org"))
    def cors() -> str:
        return "cors"

    @app.route("/unchanged")
    def unchanged() -> Response:
        return Response("", headers={"ETag": '"1"'}, status_code=304)

    @app.route("/bytes")
    def raw() -> Response:
        return Response(b"\x00\xff", headers={"Content-Type": "application/octet-stream"})

    @app.route("/cookies")
    def cookies() -> Response:
        return Response("", headers={"Set-Cookie": ["a=1", "b=2"]})

    @app.route("/unwritable")
    def unwritable() -> Response:
        return Response({"value": object()})

    @app.authorizer()
    def doorman(request: AuthRequest) -> AuthResponse:
        return AuthResponse(routes=["/closed"] if request.token == "right" else [], principal_id="guest")

    @app.route("/closed", authorizer=doorman)
    def closed() -> str:
        return "open to you"

    @app.route("/gate/{name}")
    def wait(name: str) -> str:
        gate.reached.set()
        assert gate.open.wait(30)
        assert app.current_request is not None
        return f"{name}: {app.current_request.uri_params}"

    return app


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


class WatchedServer(ApiServer):
    """Remembers the ended connections: for each, whether the answers were sent without delay."""

    ended: list[bool]

    def shutdown_request(self, request: Any) -> None:
        self.ended.append(bool(request.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
        super().shutdown_request(request)


@pytest.fixture
def server(gate: Gate) -> Iterator[WatchedServer]:
    server = WatchedServer(small_app(gate), problems, ("127.0.0.1", 0), max_body=MAX_BODY)
    server.ended = []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True)
class Received:
    """An answer: header names are small, a header that came twice has both values."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One connection to the server; what is sent is sent as it stands."""

    def __init__(self, server: ApiServer) -> None:
        self.socket = socket.create_connection(server.server_address[:2], timeout=10)
        self._file = self.socket.makefile("rb")

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def answer(self, *, head: bool = False) -> Received:
        """The next answer; ``head``: it has no body, whatever its length says."""
        version, status, _ = self._file.readline().decode().split(" ", 2)
        assert version == "HTTP/1.1"
        headers: dict[str, str] = {}
        while line := self._file.readline().strip():
            name, value = line.decode().split(": ", 1)
            name = name.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        body = b"" if head else self._file.read(int(headers.get("content-length", "0")))
        return Received(int(status), headers, body)

    def ended(self) -> bool:
        """Whether the server has ended the connection and sent nothing more before."""
        return self._file.read() == b""

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture
def connect(server: ApiServer) -> Iterator[Callable[[], Connection]]:
    connections: list[Connection] = []

    def connect() -> Connection:
        connections.append(Connection(server))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def connection(connect: Callable[[], Connection]) -> Connection:
    return connect()


def post(path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def get(path: str, *headers: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    return "\r\n".join([f"{method} {path} {version}", "Host: here", *headers, "", ""]).encode()


def test_a_request_reaches_the_app_whole(connection: Connection) -> None:
    connection.send(post("/echo/a%20b%2Fc;d:e?x=1&x=2&y=", b"body", "X-Seen: once", "X-Seen: twice"))
    received = connection.answer()
    assert received.status == 200
    assert received.document == {
        "name": "a b/c;d:e",
        "query": {"x": "2", "y": ""},
        "body": "body",
        "method": "POST",
        "seen": "once, twice",
    }


def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_order(connection: Connection) -> None:
    connection.send(post("/echo/1", b"one") + post("/echo/2", b"two") + get("/"))
    assert [connection.answer().document["body"] for _ in range(2)] == ["one", "two"]
    assert connection.answer().body == b"root"


def test_connection_close_is_obeyed(connection: Connection) -> None:
    connection.send(get("/", "Connection: close"))
    assert connection.answer().headers["connection"] == "close"
    assert connection.ended()


def test_an_old_client_may_keep_its_connection(connection: Connection) -> None:
    connection.send(get("/", "Connection: keep-alive", version="HTTP/1.0"))
    assert connection.answer().headers["connection"] == "keep-alive"
    connection.send(get("/", version="HTTP/1.0"))
    assert connection.answer().headers["connection"] == "close"
    assert connection.ended()


def test_an_answer_comes_in_one_piece_and_without_delay(
    connection: Connection, server: WatchedServer
) -> None:
    # In two, Nagle's algorithm would hold the second one back for 40 ms.
    connection.send(get("/"))
    assert connection.socket.recv(65536).endswith(b"\r\n\r\nroot")
    connection.close()
    assert eventually(lambda: server.ended) == [True]


@pytest.mark.parametrize("path", ["/", "/echo/x"])
def test_head_is_get_without_the_body(connection: Connection, path: str) -> None:
    connection.send(get(path) + get(path, method="HEAD") + get("/"))
    whole, head = connection.answer(), connection.answer(head=True)
    assert (head.status, head.headers["content-length"]) == (200, str(len(whole.body)))
    assert connection.answer().body == b"root"


def test_an_unchanged_answer_has_no_body_and_no_length(connection: Connection) -> None:
    connection.send(get("/unchanged") + get("/"))
    received = connection.answer()
    assert (received.status, received.headers["etag"]) == (304, '"1"')
    assert "content-length" not in received.headers
    assert connection.answer().body == b"root"


def test_bytes_and_repeated_headers_are_sent_as_they_are(connection: Connection) -> None:
    connection.send(get("/bytes", "Accept: application/octet-stream") + get("/cookies"))
    assert connection.answer().body == b"\x00\xff"
    assert connection.answer().headers["set-cookie"] == "a=1, b=2"


def test_a_trailing_slash_and_a_proxys_form_are_understood(connection: Connection) -> None:
    connection.send(get("/echo/x/") + get("http://here/echo/y?z=1"))
    assert connection.answer().document["name"] == "x"
    assert connection.answer().document["name"] == "y"


@pytest.mark.parametrize("path", ["/nothing", "/echo", "/echo/x/y", "/echo//x"])
def test_an_unknown_path_is_a_problem(connection: Connection, path: str) -> None:
    connection.send(post(path, b"body") + get("/"))
    received = connection.answer()
    assert received.headers["content-type"] == "application/problem+json"
    assert (received.status, received.document["type"]) == (404, "urn:coatcheck:problem:not-found")
    assert connection.answer().body == b"root", "the connection goes on"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_unknown_method_is_a_problem_that_names_the_known_ones(
    connection: Connection, method: str
) -> None:
    connection.send(get("/echo/x", method=method) + get("/"))
    received = connection.answer()
    assert (received.status, received.headers["allow"]) == (405, "GET, HEAD, POST")
    assert received.document["type"] == "urn:coatcheck:problem:method-not-allowed"
    assert connection.answer().body == b"root"


@pytest.mark.parametrize(("path", "status"), [("/", 405), ("/nothing", 404)])
def test_a_method_that_http_does_not_know_is_a_problem(
    connection: Connection, path: str, status: int
) -> None:
    connection.send(get(path, method="BREW"))
    received = connection.answer()
    assert (received.status, received.document["status"]) == (status, status)
    assert connection.ended()


def test_a_preflight_is_answered_where_cors_is_on(connection: Connection) -> None:
    connection.send(get("/cors", method="OPTIONS"))
    received = connection.answer()
    assert received.status == 200
    assert received.headers["access-control-allow-origin"] == "https://example.org"


def test_too_large_a_body_is_refused_before_it_is_sent(connection: Connection) -> None:
    connection.send(get("/echo/x", f"Content-Length: {MAX_BODY + 1}", "Expect: 100-continue", method="POST"))
    received = connection.answer()
    assert (received.status, received.headers["connection"]) == (413, "close")
    assert received.document["type"] == "urn:coatcheck:problem:payload-too-large"


def test_a_client_that_sends_too_much_anyway_gets_the_answer(connection: Connection) -> None:
    connection.send(post("/echo/x", b"x" * 20_000_000))
    assert connection.answer().status == 413
    assert connection.ended()


def test_a_body_that_is_announced_is_asked_for(connection: Connection) -> None:
    connection.send(get("/echo/x", "Content-Length: 4", "Expect: 100-continue", method="POST"))
    assert connection.answer().status == 100
    connection.send(b"body")
    assert connection.answer().document["body"] == "body"


def test_a_body_at_the_limit_is_taken(connection: Connection) -> None:
    connection.send(post("/echo/x", b"x" * MAX_BODY))
    assert len(connection.answer().document["body"]) == MAX_BODY


def test_chunks_are_taken(connection: Connection) -> None:
    connection.send(
        get("/echo/x", "Transfer-Encoding: chunked", method="POST") + b"4\r\nbody\r\n0\r\n\r\n" + get("/")
    )
    assert connection.answer().document["body"] == "body"
    assert connection.answer().body == b"root"


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        get("/", "Host: there"),
        get("/", "X-Seen : 1", "Content-Length: 0"),
        get("/", "nonsense", "Content-Length: 0"),
        get("/", "X-Seen: one", " and more"),
        get("/", "X-Seen: one\rContent-Length: 4") + b"body",
        get("/", "X-Seen: a\0b"),
        get("/", ": nameless"),
        get("/echo/x", "Content-Length: four", method="POST") + b"body",
        get("/echo/x", "Content-Length: 1", "Content-Length: 2", method="POST") + b"ab",
        get("/echo/x", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_problem_and_ends_the_connection(connection: Connection, raw: bytes) -> None:
    connection.send(raw)
    received = connection.answer()
    assert (received.status, received.headers["connection"]) == (400, "close")
    assert received.headers["content-type"] == "application/problem+json"
    assert received.document["type"] == "urn:coatcheck:problem:invalid-request"
    assert "None" not in received.document["detail"]
    assert connection.ended()


def test_nothing_behind_a_line_that_is_no_header_becomes_a_request(connection: Connection) -> None:
    hidden = get("/echo/smuggled")
    connection.send(get("/echo/x", "X-Seen : 1", f"Content-Length: {len(hidden)}", method="POST") + hidden)
    assert connection.answer().status == 400
    assert connection.ended()


def test_a_request_of_http_1_0_needs_no_host(connection: Connection) -> None:
    connection.send(b"GET / HTTP/1.0\r\n\r\n")
    assert connection.answer().body == b"root"


def test_a_defect_of_the_app_is_a_problem_and_logged(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    connection.send(get("/unwritable") + get("/"))
    received = connection.answer()
    assert (received.status, received.document["type"]) == (500, "urn:coatcheck:problem:internal-error")
    assert "not JSON serializable" in str(caplog.records[0].exc_info)
    assert connection.answer().body == b"root"


def test_clients_that_go_away_are_no_errors(
    connect: Callable[[], Connection], server: WatchedServer, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    half = connect()
    half.send(get("/echo/x", "Content-Length: 100", method="POST") + b"half")
    impatient = connect()
    impatient.send(get("/gate/x"))
    assert gate.reached.wait(10)
    for connection in (half, impatient):
        # A reset instead of an orderly end.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    gate.open.set()
    eventually(lambda: len(server.ended) == 2)
    another = connect()
    another.send(get("/"))
    assert another.answer().body == b"root"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_an_idle_connection_is_ended(
    connect: Callable[[], Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ApiRequestHandler.timeout == IDLE_SECONDS
    monkeypatch.setattr(ApiRequestHandler, "timeout", 0.2)
    idle, half = connect(), connect()
    half.send(get("/echo/x", "Content-Length: 5", method="POST") + b"12")
    assert idle.ended()
    assert half.ended()


def test_each_of_many_clients_gets_its_own_answer(connect: Callable[[], Connection]) -> None:
    def ask(number: int) -> list[str]:
        connection = connect()
        names = []
        for turn in range(20):
            connection.send(get(f"/echo/{number}-{turn}"))
            names.append(connection.answer().document["name"])
        return names

    with ThreadPoolExecutor(16) as pool:
        for number, names in enumerate(pool.map(ask, range(16))):
            assert names == [f"{number}-{turn}" for turn in range(20)]


def test_the_end_waits_for_what_is_being_answered(
    connection: Connection, server: ApiServer, gate: Gate
) -> None:
    connection.send(get("/gate/x"))
    assert gate.reached.wait(10)
    assert not server.drain(0.05)
    gate.open.set()
    assert server.drain(10)
    assert connection.answer().body == b"x: {'name': 'x'}"


def test_a_request_stays_its_own_while_others_are_answered(
    connect: Callable[[], Connection], gate: Gate
) -> None:
    held, other = connect(), connect()
    held.send(get("/gate/mine"))
    assert gate.reached.wait(10)
    other.send(get("/echo/other"))
    assert other.answer().document["name"] == "other"
    gate.open.set()
    assert held.answer().body == b"mine: {'name': 'mine'}"


def test_changes_and_errors_are_logged_always_and_reads_for_the_curious(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "coatcheck.api")
    connection.send(get("/") + get("/nothing") + post("/echo/x"))
    assert [connection.answer().status for _ in range(3)] == [200, 404, 200]
    eventually(lambda: len(caplog.records) == 3)
    shown = [(record.levelname, re.sub(r"\d+ ms", "N ms", record.getMessage())) for record in caplog.records]
    assert shown == [
        ("DEBUG", "GET / 200 N ms"),
        ("INFO", "GET /nothing 404 N ms"),
        ("INFO", "POST /echo/x 200 N ms"),
    ]


def test_whom_to_let_in_is_left_to_the_app(connection: Connection) -> None:
    connection.send(get("/closed") + get("/closed", "Authorization: wrong"))
    assert [connection.answer().status for _ in range(2)] == [200, 200]


def test_it_listens_on_ipv6_too(gate: Gate) -> None:
    try:
        server = ApiServer(small_app(gate), problems, ("::1", 0), max_body=MAX_BODY)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        assert server.address_family == socket.AF_INET6
