"""``/`` and ``/static/...``: the page, from the files in ``web``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from chalicelib import shipping
from chalicelib.context import current
from chalicelib.problems import not_found
from chalicelib.requests import Request
from chalicelib.responses import REVALIDATE, Answer, conditional
from chalicelib.routing import PUBLIC, Route
from coatcheck.errors import CoatcheckError

WEB = Path(__file__).with_name("web")
BASE = "<!-- base -->"
"""In ``index.html``, where a ``<base>`` goes if the page's own address does not end in a slash."""

STYLES = "page.css"
"""The file of all styles, in the order of their names."""

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Content types of what the page may be made of: text only, since a Lambda answers text."""

SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
"""The page loads nothing from other hosts, runs no inline script or style, makes no markup or script of text
(in browsers that know Trusted Types), and is in nobody's frame."""


CONTENT = "Content-Security-Policy"
BY_LINKS = ("img-src", "connect-src")
"""What the page does with files, whose links may lead to another host."""

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
"""Never ask again: another version has another address (RFC 8246)."""

VERSION = re.compile(r"[0-9a-f]{12}")


def get_page(request: Request) -> Answer:
    """The page. Below a stage (``/api``, without a slash) its relative addresses need a base."""
    text = (WEB / "index.html").read_text()
    stage = request.path.rpartition("/")[2]
    base = f'<base href="{escape(quote(stage, safe="%"))}/">' if stage else ""
    text = text.replace(BASE, base).replace('"static/', f'"static/{version()}/')
    return _file(request, ".html", text, REVALIDATE)


def get_static(request: Request) -> Answer:
    """A file of the page. Only what the folders' listings name is ever opened."""
    name, wanted = request.parameters["name"], request.parameters.get("version")
    files = _files()
    if name not in files or not (wanted is None or VERSION.fullmatch(wanted)):
        return not_found(request.path)
    # A page of before a deployment asks for files of its version, and gets those that there are.
    there = _version_of(files)
    kept = FOREVER if wanted == there else REVALIDATE
    return _file(request, Path(name).suffix, _shipped(tuple(files[name]), there), kept)


def version() -> str:
    """What stands in the addresses of the page's files: another one when they change, or shipping."""
    return _version_of(_files())


def _version_of(files: Mapping[str, Sequence[Path]]) -> str:
    paths = [Path(shipping.__file__), *sorted(chain(*files.values()))]
    return _digest(tuple((path, path.stat().st_mtime_ns) for path in paths))


@lru_cache(maxsize=1)
def _digest(files: tuple[tuple[Path, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _ in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _files() -> dict[str, Sequence[Path]]:
    """What each file of the page is made of: all styles are one, a quarter smaller than each for itself."""
    files: dict[str, Sequence[Path]] = {
        path.name: (path,) for path in (WEB / "static").iterdir() if path.suffix in TYPES
    }
    return files | {STYLES: sorted((WEB / "styles").glob("*.css"))}


@lru_cache(maxsize=8)
def _shipped(paths: tuple[Path, ...], version: str) -> str:
    return "".join(map(shipping.shipped, paths))


def _file(request: Request, suffix: str, text: str, kept: Mapping[str, str]) -> Answer:
    headers = {"Content-Type": TYPES[suffix], **kept, **SECURITY}
    if suffix == ".html":
        headers[CONTENT] = _policy()
    return conditional(request, Answer(200, text, headers))


def _policy() -> str:
    """What the page may do: with files, where these are too."""
    policy = SECURITY[CONTENT]
    try:
        files = current().adapter.files
    except CoatcheckError:  # the page is shown all the same, and asks for what tells why
        return policy
    if files is not None and files.origin:
        for directive in BY_LINKS:
            policy = policy.replace(f"{directive} 'self'", f"{directive} 'self' {files.origin}")
    return policy


ROUTES = (
    Route("GET", "/", get_page, PUBLIC, None),
    Route("GET", "/static/{name}", get_static, PUBLIC, None),
    Route("GET", "/static/{version}/{name}", get_static, PUBLIC, None),
)
