"""The API in this process: the app of ``functions/`` behind the local server."""

from __future__ import annotations

import errno
import importlib
import json
import resource
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from coatcheck.errors import SettingsError, UnavailableError
from coatcheck.files.folder import FolderStore
from coatcheck.files.sweeping import Sweeper
from coatcheck.settings import Settings
from infra.errors import StartError
from infra.file_routes import FileRoutes
from infra.hosts import Hosts
from infra.server import ApiServer

FUNCTIONS = Path(__file__).resolve().parents[1] / "functions"
"""Where the app lies. It is laid out as Lambda gets it, so its modules have no package above them."""
FIRST_PORT = 8000
PORTS = 100
"""How many ports are tried when none was asked for."""
FILES = 1000
"""Open files that the API needs at most while nobody waits, connections among them."""
FILES_OF_WAITER = 2
"""Its connection, and one to Redis."""
SWEEP_SECONDS = 3600.0
"""Seconds between two looks for files whose time is over."""
DRAIN_SECONDS = 1.0
"""How long requests that are being answered hold up the end."""


class Api:
    """The API's server and its thread.

    Takes the checked settings, the environment that they came from, the host to listen on, and the
    port: None for the first free one from 8000 on, 0 for any.

    Raises StartError, CatalogError.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], host: str, port: int | None) -> None:
        if not (FUNCTIONS / "app.py").is_file():
            raise StartError(
                f"the app is not at {FUNCTIONS}: run coatcheck from a checkout of its repository"
            )
        if str(FUNCTIONS) not in sys.path:
            sys.path.insert(0, str(FUNCTIONS))
        self._app = importlib.import_module("app").app
        self._problems = importlib.import_module("chalicelib.problems")
        self._context = importlib.import_module("chalicelib.context").prepare(environ)
        self._settings = settings
        _allow_files(FILES + FILES_OF_WAITER * settings.wait_seats)
        self._server = self._bind(host, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where the page is, for a browser on this machine."""
        host, port = self._server.server_address[:2]
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(str(host), str(host))  # noqa: S104
        return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def begin_sweeping(self) -> threading.Event:
        """Have files whose time is over deleted from now on, until the event is set."""
        over = threading.Event()
        desk = self._context.adapter.files
        if desk is not None and isinstance(desk.store, FolderStore):
            sweeper = Sweeper(desk.store, desk.records, self._settings.upload_ttl)
            pause = partial(over.wait, SWEEP_SECONDS)
            threading.Thread(target=sweeper.run, args=(pause,), daemon=True).start()
        return over

    def close(self) -> None:
        """Take no more connections; who waits for a job's end is told how it is now."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()
        with suppress(UnavailableError):
            self._context.adapter.waiters.dismiss()

    def drain(self) -> None:
        """Give the requests that are being answered a moment."""
        self._server.drain(DRAIN_SECONDS)

    def _files(self) -> FileRoutes | None:
        """What takes and sends files, where they are kept in a folder."""
        desk = self._context.adapter.files
        if desk is None or not isinstance(desk.store, FolderStore):
            return None
        return FileRoutes(desk.store)

    def _bind(self, host: str, port: int | None) -> ApiServer:
        candidates = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,)
        for candidate in candidates:
            try:
                return ApiServer(
                    self._app,
                    self._problems,
                    (host, candidate),
                    max_body=self._settings.max_body,
                    hosts=Hosts((host, *self._settings.hosts)) if self._settings.auth == "none" else None,
                    origins=self._settings.cors_origins,
                    files=self._files(),
                    config=_chalice_config(),
                )
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise StartError(f"can't listen on {host}, port {candidate}: {error.strerror}") from error
        if port is not None:
            raise StartError(f"port {port} of {host} is taken; without --port a free one is found")
        raise StartError(
            f"the ports {candidates[0]} to {candidates[-1]} of {host} are all taken; name one: --port"
        )


def _allow_files(number: int) -> None:
    """Let this process open so many files, or as many as it may: systems begin with 256 or 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _chalice_config() -> dict[str, object]:
    """What the deployed function has, its time-out for one, so that it is the same here."""
    path = FUNCTIONS / ".chalice" / "config.json"
    try:
        config: dict[str, object] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from error
    return config
