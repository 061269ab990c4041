"""Which names the local server answers to: no page shall reach it under a name of its own (DNS rebinding)."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit


class Hosts:
    """The names of this machine. Takes further ones.

    An address is always good: a page that rebinds needs a name, and its browser sends that as the Host.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        own = socket.gethostname().lower()
        self._names = {"localhost", own, f"{own}.local", *(name.lower() for name in names)}

    def knows(self, header: str | None) -> bool:
        """Whether a Host header names this machine. Without one (HTTP/1.0) it is no browser that asks."""
        if header is None:
            return True
        try:
            host = (urlsplit(f"//{header}").hostname or "").removesuffix(".")
        except ValueError:
            return False
        return host in self._names or host.endswith(".localhost") or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
