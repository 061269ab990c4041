"""A POST that goes to public addresses only, to the very one that was checked, and once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coatcheck.callbacks import Target, parse_url
from coatcheck.settings import Settings, load
from tests.support.receiver import Receiver, certificate
from worker_image import outbound
from worker_image.outbound import OutboundError, post, resolve

SETTINGS = load({"REDIS_URL": "redis://localhost"})
LOCAL = replace(SETTINGS, callback_loopback=True)
PUBLIC = "203.0.112.7"
Names = Callable[..., list[str]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Sets what names resolve to, one answer for each look-up; returns the names that were looked up."""
    asked: list[str] = []

    def names(*answers: list[str]) -> list[str]:
        left = list(answers)

        def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
            asked.append(host)
            addresses = left.pop(0) if len(left) > 1 else left[0]
            return [
                (socket.AF_INET6 if ":" in text else socket.AF_INET, 1, 6, "", (text, port))
                for text in addresses
            ]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        return asked

    return names


def send(url: str, settings: Settings = LOCAL, body: bytes = b"{}") -> int:
    return post(parse_url(url, settings), {"Content-Type": "application/json"}, body, settings)


def test_it_arrives(receiver: Receiver) -> None:
    assert send(receiver.url) == 204
    [message] = receiver.messages
    assert (message.path, message.body) == ("/hook?of=test", b"{}")
    assert message.headers["host"] == f"localhost:{receiver.port}"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.20.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "100.64.1.1",
        "168.63.129.16",
        "0.0.0.0",
        "224.0.0.251",
        "255.255.255.255",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:0:a00:1::",
        "fe80::1",
        "fe80::1%lo",
        "fd00:ec2::254",
        "ff02::1",
    ],
)
@pytest.mark.parametrize("beside", [[], [PUBLIC]])
def test_a_name_that_resolves_to_a_forbidden_address_is_refused(
    address: str, beside: list[str], names: Names
) -> None:
    names([*beside, address])
    with pytest.raises(OutboundError, match="nothing was sent") as found:
        send("https://example.com/", SETTINGS)
    assert address not in str(found.value), "which addresses names have inside is nobody's business"


def test_a_name_is_looked_up_once_so_that_it_can_t_change_its_mind(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is public, each further one is this machine."""
    connected = []

    def connect(address: tuple[str, int], **_: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    asked = names([PUBLIC], ["127.0.0.1"])
    with pytest.raises(OutboundError, match="ConnectionRefusedError"):
        send("https://example.com/", SETTINGS)
    assert asked == ["example.com"]
    assert connected == [(PUBLIC, 443)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.answers, receiver.headers = [status], {"Location": other.url}
        assert send(receiver.url) == status
        assert other.connections == 0
    assert len(receiver.messages) == 1


def test_no_proxy_is_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert send(receiver.url) == 204
        assert proxy.connections == 0


def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(certificate=certificate(tmp_path)) as receiver:
        with pytest.raises(OutboundError, match="CERTIFICATE_VERIFY_FAILED"):
            send(receiver.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(receiver.certificate))
        assert send(receiver.url) == 204
        with pytest.raises(OutboundError, match=r"127\.0\.0\.1"):
            send(receiver.url.replace("localhost", "127.0.0.1"))
    assert len(receiver.messages) == 1


def test_a_certificate_of_another_name_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver(certificate=certificate(tmp_path, "example.com")) as receiver:
        monkeypatch.setenv("SSL_CERT_FILE", str(receiver.certificate))
        with pytest.raises(OutboundError, match="localhost"):
            send(receiver.url)
    assert receiver.messages == []


def dripping(answer: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    """A server that answers one connection as told, and its URL."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server.accept()[0] as connection:
            connection.recv(65_536)
            try:
                answer(connection)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    return server, f"http://127.0.0.1:{server.getsockname()[1]}/"


def drip_status(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.02)


def drip_header(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def say_nothing(connection: socket.socket) -> None:
    while connection.recv(1):
        pass


@pytest.mark.parametrize("answer", [drip_status, drip_header, say_nothing])
def test_a_receiver_that_drips_is_cut_off(
    answer: Callable[[socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "TOTAL_SECONDS", 0.5)
    server, url = dripping(answer)
    with server, pytest.raises(OutboundError, match=r"longer than|timed out"):
        send(url)


def send_long_header(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000)


def send_many_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 100_000)


def send_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"\x00\xff nonsense\r\n\r\n")


@pytest.mark.parametrize("answer", [send_long_header, send_many_headers, send_nonsense])
def test_an_answer_that_is_none_is_an_error(answer: Callable[[socket.socket], None]) -> None:
    server, url = dripping(answer)
    with server, pytest.raises(OutboundError, match="no answer"):
        send(url)


def send_endless_body(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65_536)


def test_a_body_is_not_read() -> None:
    server, url = dripping(send_endless_body)
    with server:
        assert send(url) == 200


def test_the_next_address_is_tried(receiver: Receiver, names: Names) -> None:
    names(["::1", "127.0.0.1"])
    assert send(receiver.url) == 204


def test_a_name_without_address_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OutboundError, match="no address"):
        resolve(Target(True, "example.com", 443, "/"), SETTINGS)
