"""Callbacks: the URL that a job's end is told to, and the delivery, a job of its own, that tells it.

A job with a callback carries its delivery, ready to be queued; the script that ends the job queues it
(``call_back`` in ``lua/parts/ending.lua``). Tasks whose module's name starts with ``_`` can't come from a
user, so nothing in the catalogue is called like the delivery.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from coatcheck.job import Submission, new_job_id

if TYPE_CHECKING:
    from coatcheck.settings import Settings

TASK = "_callbacks.deliver"
DELAYS = (5, 60, 300, 1800, 7200, 18_000, 36_000)
"""Seconds before each further attempt: 17 and a half hours in all."""
TIMEOUT = 60
"""Seconds that one attempt may take, in which it gives up by itself."""
KEPT = 24 * 3600
"""Seconds that a job with a callback is kept at least, so that its last attempt still finds it. The script
knows the number too."""
MAX_URL = 2048
HTTP, HTTPS = 80, 443
HOST = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*", re.ASCII)
"""A host's name as DNS has it (RFC 1123, section 2.1), in lower case."""
NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.ASCII)
"""The last label of what some read as an IPv4 address: 2130706433, 0x7f.1, 127.1 (WHATWG URL, "ends in a
number")."""
LOCAL_NAMES = frozenset(
    {"localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "onion"}
)
"""Last labels that are no domain of the internet."""
WRITTEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a callback goes. ``host`` is a name, or an address without brackets; ``path`` is all after it."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (HTTPS if self.secure else HTTP) else f"{host}:{self.port}"


def parse_url(text: object, settings: Settings) -> Target:
    """Check a callback's URL as far as it can be without asking the network.

    https to port 443 of a host with a public name or address; with the setting COATCHECK_CALLBACK_HOSTS only
    to those. Raises ValueError: says what would be right.
    """
    if not isinstance(text, str) or not WRITTEN.fullmatch(text) or len(text) > MAX_URL:
        raise ValueError(f"should be a URL of up to {MAX_URL} ASCII characters, without spaces")
    if "\\" in text:
        raise ValueError("should have no backslash")
    try:
        parts = urlsplit(text)
        port, host = parts.port, (parts.hostname or "").lower()
    except ValueError:
        raise ValueError("should be a URL such as https://example.com/path") from None
    local = settings.callback_loopback
    if parts.scheme != "https" and not (local and parts.scheme == "http"):
        raise ValueError("should start with https://")
    if "@" in parts.netloc:
        raise ValueError("should have no user and no password")
    if "#" in text:
        raise ValueError("should have no fragment (#)")
    if "%" in parts.netloc or ("[" in parts.netloc and ":" not in host):
        raise ValueError("should have a host that is written as it is, without percent signs or brackets")
    secure = parts.scheme == "https"
    target = Target(
        secure, host, (HTTPS if secure else HTTP) if port is None else port, _path(parts.path, parts.query)
    )
    _check_host(target, settings)
    return target


def allowed(address: str, settings: Settings) -> bool:
    """Whether a callback may go to an IP address."""
    from coatcheck.addresses import is_loopback, is_public

    return is_public(address) or (settings.callback_loopback and is_loopback(address))


def delivery_of(job_id: str, url: str, queue: str, owner: str | None = None) -> Submission:
    """The job that tells the end of a job to a URL. Takes its queue, and whose both jobs are."""
    own_id = new_job_id()
    return Submission(
        id=own_id,
        task=TASK,
        arguments={"job": job_id, "url": url, "delivery": own_id},
        queue=queue,
        timeout=TIMEOUT,
        result_ttl=KEPT,
        retries=len(DELAYS),
        retry_delays=DELAYS,
        owner=owner,
    )


def _path(path: str, query: str) -> str:
    return (path or "/") + (f"?{query}" if query else "")


def _check_host(target: Target, settings: Settings) -> None:
    """Raises ValueError."""
    host, last = target.host, target.host.rpartition(".")[2]
    if settings.callback_loopback and (host == "localhost" or allowed(host, settings)):
        return
    if ":" in host or NUMBER.fullmatch(last):
        # Only as it is written by the book: others read 127.1, 0x7f000001 or 0177.0.0.1 as 127.0.0.1.
        if not allowed(host, settings):
            raise ValueError("should have the name of a host, or a public IP address")
    elif not HOST.fullmatch(host) or len(host) > 253:
        raise ValueError("should have the name of a host, in ASCII, without a dot at its end")
    elif "." not in host or last in LOCAL_NAMES:
        raise ValueError("should have a host with a public name, such as example.com")
    _check_listed(target, settings)


def _check_listed(target: Target, settings: Settings) -> None:
    """Raises ValueError: the port is another one, or there is a list and the host is not on it."""
    if not settings.callback_hosts:
        if target.port != HTTPS:
            raise ValueError(f"should have no port, or {HTTPS}")
        return
    for pattern in settings.callback_hosts:
        name, _, port = pattern.partition(":")
        same = target.host == name or (name.startswith("*.") and target.host.endswith(name[1:]))
        if same and target.port == int(port or HTTPS):
            return
    raise ValueError("should have one of the hosts that COATCHECK_CALLBACK_HOSTS names")
