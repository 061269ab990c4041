"""What one process needs to answer: settings, catalogue and adapter, made at the first request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from chalicelib import lambda_runtime
from coatcheck.adapter import QueueAdapter
from coatcheck.catalog import Catalog
from coatcheck.connection import connect
from coatcheck.errors import CoatcheckError
from coatcheck.settings import Settings, load
from coatcheck.trace_context import open_tracing

if TYPE_CHECKING:
    from coatcheck.tracing import Tracing

PACKAGED_CATALOG = Path(__file__).resolve().parents[1] / "catalog.json"
"""Where the function package has its catalogue: beside ``app.py``."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the handlers work with; ``tracing`` is None where it is off."""

    settings: Settings
    catalog: Catalog
    adapter: QueueAdapter
    tracing: Tracing | None = None

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of all queues that a job may be submitted to."""
        return self.catalog.queues(self.settings)


class _Process:
    """The one context of this process, behind a lock: the local server answers in threads."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.context: Context | None = None


_process = _Process()


def current() -> Context:
    """The process' context; the first call makes it from the environment.

    Raises SettingsError, CatalogError; the next call then tries again.
    """
    known = _process.context
    if known is not None:
        return known
    with _process.lock:
        if _process.context is None:
            _process.context = _build(None)
        return _process.context


def gateway_path() -> str:
    """The setting COATCHECK_GATEWAY_PATH; nothing where the settings can't be read (a handler tells why)."""
    try:
        return current().settings.gateway_path
    except CoatcheckError:
        return ""


def prepare(environ: Mapping[str, str] | None = None) -> Context:
    """Make the context now, for a server that wants to fail at its start. Connects to nothing.

    Takes the environment (default: ``os.environ``). Raises SettingsError, CatalogError.
    """
    context = _build(environ)
    use(context)
    return context


def use(context: Context | None) -> None:
    """Answer from this context from now on; None: from one made of the environment."""
    with _process.lock:
        _process.context = context


def _build(environ: Mapping[str, str] | None) -> Context:
    settings = load(environ)
    lambda_runtime.configure_log(settings.log_format)
    catalog = Catalog.load(settings.catalog or PACKAGED_CATALOG)
    adapter = QueueAdapter(connect(settings), settings)
    return Context(settings, catalog, adapter, open_tracing(settings, "coatcheck-api"))
