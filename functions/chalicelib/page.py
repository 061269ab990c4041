"""``/`` and ``/static/{name}``: the page, from the files in ``web``."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from urllib.parse import quote

from chalicelib.problems import not_found
from chalicelib.requests import Request
from chalicelib.responses import REVALIDATE, Answer, conditional
from chalicelib.routing import PUBLIC, Route

WEB = Path(__file__).with_name("web")
BASE = "<!-- base -->"
"""In ``index.html``, where a ``<base>`` goes if the page's own address does not end in a slash."""

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


NOTES = re.compile(r"^[ \t]*/\*\*(?:(?!\*/).)*\*/\n", re.MULTILINE | re.DOTALL)
"""A script's comments on lines of their own: types and explanations, a fifth of what would travel."""


def get_page(request: Request) -> Answer:
    """The page. Below a stage (``/api``, without a slash) its relative addresses need a base."""
    text = (WEB / "index.html").read_text()
    stage = request.path.rpartition("/")[2]
    base = f'<base href="{escape(quote(stage, safe="%"))}/">' if stage else ""
    return _file(request, ".html", text.replace(BASE, base))


def get_static(request: Request) -> Answer:
    """A file of the page. Only what the folder's listing names is ever opened."""
    name = request.parameters["name"]
    files = {path.name: path for path in (WEB / "static").iterdir() if path.suffix in TYPES}
    if name not in files:
        return not_found(request.path)
    return _file(request, files[name].suffix, shipped(files[name]))


def shipped(path: Path) -> str:
    """What a browser gets of a file."""
    text = path.read_text()
    return NOTES.sub("", text) if path.suffix == ".js" else text


def _file(request: Request, suffix: str, text: str) -> Answer:
    return conditional(request, Answer(200, text, {"Content-Type": TYPES[suffix], **REVALIDATE, **SECURITY}))


ROUTES = (
    Route("GET", "/", get_page, PUBLIC, None),
    Route("GET", "/static/{name}", get_static, PUBLIC, None),
)
