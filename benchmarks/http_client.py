"""A client of HTTP that asks for one address again and again, in a process of its own.

``python -m benchmarks.http_client HOST PORT PATH CONNECTIONS SECONDS`` prints the answers per second. The
variable BENCH_TOKEN may hold a token to send. Raw
sockets with kept-alive connections, so that the client takes little of the cores that the server needs.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time


class Connection:
    """One kept-alive connection, with one request on its way."""

    def __init__(self, host: str, port: int, request: bytes) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._buffer = b""

    def ask(self) -> None:
        """Send the request."""
        self.socket.sendall(self._request)

    def answered(self) -> bool:
        """Read what is there. Returns whether the answer is complete. Raises RuntimeError: it is not 200."""
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("the server closed the connection")
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return False
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        length = next(
            int(line.partition(b":")[2])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        if len(body) < length:
            return False
        self._buffer = body[length:]
        return True


def requests_per_second(host: str, port: int, path: str, connections: int, seconds: float) -> float:
    """Ask over so many connections at once, and return the answers per second."""
    token = os.environ.get("BENCH_TOKEN")
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{authorization}\r\n".encode()
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection(host, port, request)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.ask()
    answers, begin = 0, time.perf_counter()
    while (now := time.perf_counter()) < begin + seconds:
        for key, _ in selector.select(1):
            if key.data.answered():
                answers += 1
                key.data.ask()
    return answers / (now - begin)


if __name__ == "__main__":
    print(
        requests_per_second(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    )
