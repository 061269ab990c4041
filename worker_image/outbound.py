"""One POST to an address of the public internet, whatever the URL, DNS and the receiver try.

The host's name is looked up once. Every address that it has must be public, and the connection goes to one
of these addresses, so that a second look-up can't lead elsewhere; TLS checks the certificate against the
name. No redirect is followed, no proxy is asked, and nothing of the answer is read but status and headers.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from coatcheck.callbacks import Target, allowed
from coatcheck.errors import CoatcheckError
from coatcheck.settings import Settings

CONNECT_SECONDS = 5.0
"""How long one address may take to answer."""
TOTAL_SECONDS = 20.0
"""How long all may take from the connection on, however slowly the receiver drips."""
MAX_ADDRESSES = 4
"""Addresses of one name that are tried."""


class OutboundError(CoatcheckError):
    """The request got no answer; the message says why, and nothing of what the network looks like inside."""


def post(target: Target, headers: Mapping[str, str], body: bytes, settings: Settings) -> int:
    """Send a body and return the status of the answer. Raises OutboundError."""
    addresses = resolve(target, settings)
    try:
        with _connected(addresses, target) as connection:
            connection.request("POST", target.path, body, {"Host": target.authority, **headers})
            return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise OutboundError(f"no answer ({type(error).__name__}: {error})"[:300]) from error


def resolve(target: Target, settings: Settings) -> list[str]:
    """The IP addresses of a target's host. Raises OutboundError: none, or one that is forbidden."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OutboundError("the host's name has no address") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses or not all(allowed(address, settings) for address in addresses):
        raise OutboundError("the host has an address that is not public; nothing was sent")
    return addresses[:MAX_ADDRESSES]


@contextmanager
def _connected(addresses: list[str], target: Target) -> Iterator[http.client.HTTPConnection]:
    """A connection to the first address that answers, cut off when the time is over. Raises OSError."""
    plain = _open(addresses, target.port)
    handle, over = plain.dup(), threading.Event()

    def cut() -> None:
        over.set()
        with suppress(OSError):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(TOTAL_SECONDS, cut)
    timer.start()
    connection = http.client.HTTPConnection(target.host, target.port)
    try:
        connection.sock = _secured(plain, target.host) if target.secure else plain
        yield connection
    finally:
        timer.cancel()
        connection.close()
        plain.close()
        handle.close()
        if over.is_set():  # whatever it looked like to the reader
            raise TimeoutError(f"it took longer than {TOTAL_SECONDS:g} s")


def _open(addresses: list[str], port: int) -> socket.socket:
    """Connect to one of the addresses themselves: no name is looked up here. Raises OSError."""
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            opened = socket.create_connection((address, port), timeout=CONNECT_SECONDS)
        except OSError as error:
            failure = error
            continue
        opened.settimeout(TOTAL_SECONDS)
        return opened
    raise failure


def _secured(plain: socket.socket, host: str) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context.wrap_socket(plain, server_hostname=host)
