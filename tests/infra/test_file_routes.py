"""Files over the local server: real sockets, a folder, and no page that could run what is in a file."""

from __future__ import annotations

import hashlib
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from chalice.app import Chalice

from chalicelib import problems
from coatcheck.files.folder import FolderStore
from coatcheck.files.ids import key_of, new_upload_id
from coatcheck.files.store import PartLink, Upload
from infra.file_routes import FileRoutes, disposition
from infra.hosts import Hosts
from infra.server import ApiServer
from tests.support.polling import eventually

NOW = 1_800_000_000
TEXT = b"0123456789"
PAGE = "https://example.org"


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


class Answer:
    """An answer, read whole."""

    def __init__(self, status: int, headers: Message, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def is_problem(self, status: int, slug: str) -> bool:
        return self.status == status and f"urn:coatcheck:problem:{slug}".encode() in self.body


class Desk:
    """A server with files, and what to do with them."""

    def __init__(self, server: ApiServer, store: FolderStore, clock: Clock) -> None:
        self.server, self.store, self.clock = server, store, clock
        self.port = int(server.server_address[1])

    def send(self, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, url, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.msg, answer.read())
        finally:
            connection.close()

    def begun(self, data: bytes, part_size: int | None = None) -> tuple[Upload, list[PartLink]]:
        upload = Upload(key_of(new_upload_id(1, "ann")), "text/csv", len(data), part_size)
        self.store.begin(upload)
        return upload, self.store.part_links(upload, range(1, upload.count + 1), NOW + 900)

    def put(self, link: PartLink, data: bytes, **headers: str) -> Answer:
        return self.send("PUT", link.url, data, **{**link.headers, **headers})

    def kept(self, data: bytes = TEXT, name: str = "a.csv", kind: str = "text/csv") -> str:
        """A link to a file that is there."""
        upload, links = self.begun(data)
        assert self.put(links[0], data).status == 200
        self.store.complete(upload, [])
        return self.store.download_link(upload.key, name=name, kind=kind, since=NOW, until=NOW + 900)

    def files(self) -> list[Path]:
        return [path for path in self.store.folder.rglob("*") if path.is_file() and path.name != ".secret"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock = Clock()
    store = FolderStore(tmp_path / "files", clock)
    app = Chalice(app_name="small", configure_logs=False)
    app.route("/")(lambda: "root")
    server = ApiServer(
        app,
        problems,
        ("127.0.0.1", 0),
        max_body=100,
        hosts=Hosts(("127.0.0.1",)),
        origins=(PAGE,),
        files=FileRoutes(store),
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield Desk(server, store, clock)
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_goes_in_and_comes_out(desk: Desk) -> None:
    data = bytes(range(256)) * 8000
    upload, links = desk.begun(data, 1_000_000)
    for part in links:
        sent = desk.put(part, data[(part.number - 1) * 1_000_000 :][: part.size])
        assert (sent.status, sent.body) == (200, b"")
    assert desk.store.complete(upload, []).sha256 == hashlib.sha256(data).hexdigest()
    link = desk.store.download_link(upload.key, name="a", kind="text/csv", since=NOW, until=NOW + 900)
    answer = desk.send("GET", link)
    assert (answer.status, answer.body) == (200, data)
    assert answer.headers["Content-Length"] == str(len(data))


def test_nothing_of_a_file_runs_in_a_browser_and_it_is_saved_under_its_name(desk: Desk) -> None:
    answer = desk.send("GET", desk.kept(b"<script>", "evil\"'\r\n é.html", "text/html"))
    assert answer.headers["Content-Type"] == "text/html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Content-Disposition"] == (
        "attachment; filename=\"evil____ _.html\"; filename*=UTF-8''evil%22%27%0D%0A%20%C3%A9.html"
    )


def test_a_names_header_is_ascii_and_one_line() -> None:
    for name in ("a", 'x"y', "a\\b", "日本.csv", "%41", "a;b", "a\nb"):
        header = disposition(name)
        assert header.isascii() and header.isprintable() and header.count('"') == 2


@pytest.mark.parametrize(
    ("wanted", "status", "body", "range_"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-100", 206, b"89", "bytes 8-9/10"),
        ("bytes=-100", 200, TEXT, None),
        ("bytes=0-", 200, TEXT, None),
        ("bytes=0-1,3-4", 200, TEXT, None),
        ("bytes=5-2", 200, TEXT, None),
        ("lines=1-2", 200, TEXT, None),
        ("bytes=-", 200, TEXT, None),
    ],
)
def test_part_of_a_file(desk: Desk, wanted: str, status: int, body: bytes, range_: str | None) -> None:
    answer = desk.send("GET", desk.kept(), Range=wanted)
    assert (answer.status, answer.body, answer.headers["Content-Range"]) == (status, body, range_)


def test_bytes_that_are_not_there(desk: Desk) -> None:
    link = desk.kept()
    for wanted in ("bytes=10-", "bytes=-0"):
        answer = desk.send("GET", link, Range=wanted)
        assert answer.is_problem(416, "range-not-satisfiable")
        assert answer.headers["Content-Range"] == "bytes */10"


def test_a_download_goes_on_only_with_the_same_file(desk: Desk) -> None:
    link = desk.kept()
    tag = desk.send("HEAD", link).headers["ETag"]
    assert desk.send("GET", link, Range="bytes=4-", If_Range=tag).status == 206
    assert desk.send("GET", link, Range="bytes=4-", If_Range='"other"').body == TEXT
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        assert desk.send("GET", link, If_None_Match=known).status == 304, known
    for other in ('"other"', tag[:-1], f'"{tag.strip(chr(34))}0"', f'"0{tag.strip(chr(34))}"'):
        assert desk.send("GET", link, If_None_Match=other).status == 200, other


def test_head_tells_all_but_the_bytes(desk: Desk) -> None:
    link = desk.kept()
    answer = desk.send("HEAD", link)
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "10")
    assert answer.headers["Accept-Ranges"] == "bytes"
    part = desk.send("HEAD", link, Range="bytes=0-3")  # which only GET has (RFC 9110, section 14.2)
    assert (part.status, part.headers["Content-Length"], part.headers["Content-Range"]) == (200, "10", None)


def test_an_empty_file(desk: Desk) -> None:
    answer = desk.send("GET", desk.kept(b""))
    assert (answer.status, answer.body) == (200, b"")


def test_a_link_is_good_for_its_method_its_file_and_its_time_only(desk: Desk) -> None:
    link = desk.kept()
    other = desk.kept(b"other")
    query = link.partition("?")[2]
    for wrong in (
        f"{link}0",
        link.replace("a.csv", "b.csv"),
        f"{other.partition('?')[0]}?{query}",
        "/files/x",
    ):
        assert desk.send("GET", wrong).is_problem(403, "invalid-link"), wrong
    assert desk.send("PUT", link, TEXT).is_problem(403, "invalid-link")
    [part] = desk.begun(TEXT)[1]
    assert desk.send("GET", part.url).is_problem(403, "invalid-link")
    for method in ("DELETE", "POST", "PATCH", "OPTIONS"):
        refused = desk.send(method, link, b"")
        assert refused.is_problem(405, "method-not-allowed")
        assert refused.headers["Allow"] == "GET, HEAD, PUT"
    desk.clock.now = NOW + 900
    assert desk.send("GET", link).is_problem(410, "expired-link")
    assert desk.put(part, TEXT).is_problem(410, "expired-link")


def test_a_file_that_is_gone(desk: Desk) -> None:
    link = desk.kept()
    [file] = desk.files()
    file.unlink()
    assert desk.send("GET", link).is_problem(404, "unknown-file")


def test_a_part_of_another_size_type_or_without_a_length_is_refused(desk: Desk) -> None:
    upload, [link] = desk.begun(TEXT)
    assert desk.put(link, TEXT + b"x").is_problem(422, "file-mismatch")
    assert desk.put(link, TEXT, **{"Content-Type": "text/html"}).is_problem(422, "file-mismatch")
    for body in (iter([TEXT]), None):  # in chunks, and without a body
        refused = desk.send("PUT", link.url, body, **link.headers)
        assert refused.status in (400, 422)
    assert desk.store.arrived(upload) == [] and desk.files() == []


def test_a_cut_upload_leaves_nothing_and_is_sent_again(desk: Desk) -> None:
    data = bytes(3_000_000)
    upload, [link] = desk.begun(data)
    with socket.create_connection(("127.0.0.1", desk.port)) as cut:
        head = f"PUT {link.url} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/csv\r\n"
        cut.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:2_000_000])
        eventually(lambda: bool(desk.files()))
    eventually(lambda: desk.files() == [])
    assert desk.store.arrived(upload) == []
    assert desk.put(link, data).status == 200
    assert desk.store.complete(upload, []).size == len(data)


def test_a_large_part_is_asked_for_before_it_is_sent(desk: Desk) -> None:
    _, [link] = desk.begun(bytes(1000))  # more than a request to the API may have
    with socket.create_connection(("127.0.0.1", desk.port), timeout=10) as client:
        head = f"PUT {link.url} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/csv\r\n"
        client.sendall(f"{head}Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.sendall(bytes(1000))
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_many_requests_on_one_connection(desk: Desk) -> None:
    link = desk.kept()
    _, [part] = desk.begun(TEXT)
    requests = [("GET", link, None), ("PUT", part.url, TEXT), ("GET", link, b"x"), ("GET", "/", None)]
    with closing(HTTPConnection("127.0.0.1", desk.port, timeout=20)) as connection:
        for method, url, body in requests:
            connection.request(method, url, body, dict(part.headers) if body else {})
            answer = connection.getresponse()
            assert (answer.status, len(answer.read()) > 0) == (200, method == "GET"), url


def test_under_a_name_that_is_not_this_machines_there_are_no_files(desk: Desk) -> None:
    assert desk.send("GET", desk.kept(), Host="evil.example").is_problem(403, "cross-site")


def test_pages_of_allowed_origins_may_use_links_and_others_not(desk: Desk) -> None:
    link = desk.kept()
    asked = desk.send("OPTIONS", link, Origin=PAGE)
    assert asked.status == 204 and "PUT" in asked.headers["Access-Control-Allow-Methods"]
    assert desk.send("GET", link, Origin=PAGE).headers["Access-Control-Allow-Origin"] == PAGE
    assert (
        desk.send("GET", link, Origin="https://evil.example").headers["Access-Control-Allow-Origin"] is None
    )
    assert desk.send("OPTIONS", link, Origin="https://evil.example").status == 405
    for origin in ({}, {"Origin": PAGE}, {"Origin": "https://evil.example"}):
        # Else a browser would give the answer for one page to another.
        assert desk.send("GET", link, **origin).headers["Vary"] == "Origin"
    desk.clock.now = NOW + 900
    refused = desk.send("GET", link, Origin=PAGE)
    assert refused.is_problem(410, "expired-link")
    assert refused.headers["Access-Control-Allow-Origin"] == PAGE


def test_they_may_read_what_the_server_itself_refuses(desk: Desk) -> None:
    refusals = [("GET", "/nothing", None, 404), ("PUT", "/", None, 405), ("POST", "/", bytes(101), 413)]
    for method, url, body, status in refusals:
        refused = desk.send(method, url, body, Origin=PAGE)
        assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (status, PAGE)
        assert "Allow" in refused.headers["Access-Control-Expose-Headers"]
        other = desk.send(method, url, body, Origin="https://evil.example")
        assert (other.headers["Vary"], other.headers["Access-Control-Allow-Origin"]) == ("Origin", None)


def test_no_link_stands_in_the_log(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "coatcheck.api"):
        desk.send("GET", desk.kept())
        desk.send("GET", "/files/x?signature=secret")
    assert "PUT /files/d1/" in caplog.text and "GET /files/d1/" in caplog.text
    assert "signature" not in caplog.text


def test_without_files_there_is_nothing_at_their_paths(desk: Desk) -> None:
    desk.server.files = None
    assert desk.send("GET", "/files/x").is_problem(404, "not-found")
