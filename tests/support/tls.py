"""A real Redis with TLS, from the machine's redis-server: the embedded one has no TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

import redis

from tests.support.missing import missing


class TLSRedis:
    """A server that takes TLS connections only, on a free port of loopback. ``ca`` is its certificate."""

    def __init__(self, folder: Path) -> None:
        for program in ("redis-server", "openssl"):
            if shutil.which(program) is None:
                missing(f"{program} (Debian: apt-get install redis-server openssl)")
        self._folder = folder
        self.ca = folder / "cert.pem"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """The value for REDIS_URL, without user and password."""
        return f"rediss://localhost:{self.port}/0?ssl_ca_certs={self.ca}"

    def __enter__(self) -> TLSRedis:
        key = self._folder / "key.pem"
        request = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
        names = "-addext subjectAltName=DNS:localhost"
        subprocess.run(
            [*request.split(), *names.split(), "-keyout", str(key), "-out", str(self.ca)],
            check=True,
            capture_output=True,
        )
        options = {
            "port": "0",
            "tls-port": str(self.port),
            "bind": "127.0.0.1",
            "tls-cert-file": str(self.ca),
            "tls-key-file": str(key),
            "tls-ca-cert-file": str(self.ca),
            "tls-auth-clients": "no",
            "save": "",
            "dir": str(self._folder),
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", value)]
        self._process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
        end = time.monotonic() + 20
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return self
                except redis.ConnectionError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
