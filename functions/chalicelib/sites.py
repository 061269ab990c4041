"""What pages of other sites may do: nothing, unless a setting says so.

Nobody is known by a cookie here, so a page of another site has no rights of its visitor's to use. But an API
that asks nobody who calls would take a form that such a page sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from chalice.app import Request as ChaliceRequest
from chalice.app import Response as ChaliceResponse

from chalicelib.context import current
from chalicelib.problems import method_not_allowed
from chalicelib.requests import Request
from chalicelib.responses import Answer
from coatcheck.errors import CoatcheckError, CrossSiteError
from coatcheck.settings import Settings

HSTS = "max-age=31536000; includeSubDomains"
"""Over https, for a year: never again without (RFC 6797; OWASP ASVS 5.0, 3.4.1)."""
EXPOSED = (
    "Allow, ETag, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate"
)
"""Headers of answers that pages of an allowed origin may read, beside those that any may."""
ACCEPTED = "authorization, content-type, idempotency-key, if-none-match, prefer, traceparent, tracestate"
"""Headers that they may send."""
PREFLIGHT_SECONDS = 600
"""How long a browser may go by the answer to its question."""
OTHERS = ("cross-site", "same-site")
"""What a browser calls requests of other origins (Fetch Metadata, ``Sec-Fetch-Site``)."""


def middleware(
    request: ChaliceRequest, get_response: Callable[[ChaliceRequest], ChaliceResponse]
) -> ChaliceResponse:
    """Chalice middleware: adds to each answer what depends on how it was asked for."""
    response = get_response(request)
    if request.headers.get("x-forwarded-proto") == "https":
        response.headers["Strict-Transport-Security"] = HSTS
    if origins := _origins():
        response.headers["Vary"] = "Origin"
        if (origin := str(request.headers.get("origin", ""))) in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
    return response


def preflight(methods: Iterable[str]) -> Callable[[Request], Answer]:
    """The handler of OPTIONS for a path with these methods: a browser asks before it lets a page send."""
    taken = [*methods]

    def answer(request: Request) -> Answer:
        if request.headers.get("origin", "") not in current().settings.cors_origins:
            return method_not_allowed(request.path, [*taken, *(["HEAD"] if "GET" in taken else [])])
        headers = {
            "Access-Control-Allow-Methods": ", ".join(sorted(taken)),
            "Access-Control-Allow-Headers": ACCEPTED,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
        return Answer(204, "", headers)

    return answer


def check_site(method: str, headers: Mapping[str, str], settings: Settings) -> None:
    """Refuse what a page of another site makes a browser send. Takes headers with lower-case names.

    Only needed where nobody is asked who calls: a token or a signature is none of a browser's to add. Raises
    CrossSiteError.
    """
    if settings.auth != "none" or method == "GET":
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if origin in settings.cors_origins:
        return
    if site in OTHERS or (site is None and origin is not None and not _same(origin, headers)):
        raise CrossSiteError("A page of another site sent this; COATCHECK_CORS_ORIGINS names those that may.")


def _same(origin: str, headers: Mapping[str, str]) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False


def _origins() -> tuple[str, ...]:
    try:
        return current().settings.cors_origins
    except CoatcheckError:  # a handler tells why the settings can't be read
        return ()
