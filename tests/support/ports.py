"""Ports of loopback that nobody uses now."""

from __future__ import annotations

import socket


def free_port(below: int = 65_536) -> int:
    """A free port, lower than ``below``."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < below:
            return port
