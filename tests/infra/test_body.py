"""Reading a request's body, however it is announced."""

from __future__ import annotations

import io
from email.message import Message

import pytest

from coatcheck.errors import InvalidRequestError, PayloadTooLargeError
from infra.body import read_body

CHUNKED = ("Transfer-Encoding", "chunked")


def read(raw: bytes, *headers: tuple[str, str], limit: int = 100) -> bytes:
    message = Message()
    for name, value in headers:
        message[name] = value
    return read_body(io.BytesIO(raw), message, limit)


def test_a_request_without_a_length_has_no_body() -> None:
    assert read(b"GET / HTTP/1.1") == b""


def test_a_body_is_as_long_as_it_says() -> None:
    assert read(b"0123456789", ("Content-Length", "4")) == b"0123"


def test_the_same_length_twice_is_one() -> None:
    assert read(b"0123", ("Content-Length", "4"), ("Content-Length", "4")) == b"0123"


@pytest.mark.parametrize("length", ["", "x", "-1", "+1", "1_0", "1.0", "0x1", "٣", "1, 1", "9" * 19])
def test_a_malformed_length_is_refused(length: str) -> None:
    with pytest.raises(InvalidRequestError, match="Content-Length should be one whole number"):
        read(b"0123456789", ("Content-Length", length))


def test_two_lengths_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="one whole number"):
        read(b"0123", ("Content-Length", "4"), ("Content-Length", "3"))


def test_a_body_that_ends_early_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="ended before the body"):
        read(b"012", ("Content-Length", "4"))


def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert len(read(b"x" * 101, ("Content-Length", "100"))) == 100
    with pytest.raises(PayloadTooLargeError, match="more than the 100 bytes"):
        read(b"x" * 101, ("Content-Length", "101"))


def test_too_large_a_body_is_not_read() -> None:
    stream = io.BytesIO(b"x" * 1000)
    message = Message()
    message["Content-Length"] = "1000"
    with pytest.raises(PayloadTooLargeError):
        read_body(stream, message, 100)
    assert stream.tell() == 0


def test_chunks_are_put_together_and_trailers_passed_over() -> None:
    assert (
        read(b"3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET", CHUNKED)
        == b"abc0123456789"
    )


def test_the_end_of_chunks_is_the_next_requests_beginning() -> None:
    stream = io.BytesIO(b"1\r\na\r\n0\r\n\r\nGET /")
    message = Message()
    message["Transfer-Encoding"] = "Chunked"
    assert read_body(stream, message, 100) == b"a"
    assert stream.read() == b"GET /"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"x\r\n",
        b"-1\r\na\r\n0\r\n\r\n",
        b"3\r\nab",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\r\n",
        b"1\r\na\r\n0\r\n",
        b"123456789\r\na\r\n",
        b"1" + b" " * 5000 + b"\r\na\r\n0\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * 101 + b"\r\n",
    ],
)
def test_malformed_chunks_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        read(raw, CHUNKED)


def test_chunks_that_are_too_much_together_are_refused() -> None:
    with pytest.raises(PayloadTooLargeError):
        read(b"33\r\n" + b"x" * 51 + b"\r\n33\r\n" + b"x" * 51 + b"\r\n0\r\n\r\n", CHUNKED)


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "identity", ""])
def test_another_coding_is_refused(coding: str) -> None:
    with pytest.raises(InvalidRequestError, match="only Transfer-Encoding"):
        read(b"0\r\n\r\n", ("Transfer-Encoding", coding))


def test_both_ways_to_tell_a_length_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="both Content-Length and Transfer-Encoding"):
        read(b"0\r\n\r\n", CHUNKED, ("Content-Length", "5"))
