"""``?wait=20`` and ``Prefer: wait=20``: an answer that comes at the job's end (RFC 7240, section 4.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chalicelib.context import Context
from chalicelib.requests import Request
from chalicelib.responses import retry_after
from coatcheck.errors import FieldError, InvalidRequestError
from coatcheck.job import Job, JobStatus

ANSWER_SECONDS = 3.0
"""What is kept of the time for the answer itself: as long as it takes to find out that Redis is away."""
SECONDS = re.compile(r"[0-9]{1,9}")
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (RFC 9110, section 5.6.2)
QUOTED = r'"(?:[^"\\]|\\.)*"'
PREFERENCE = re.compile(
    rf'(?:^|,)[ \t]*({TOKEN})(?:[ \t]*=[ \t]*({TOKEN}|{QUOTED}))?[^,"]*(?:{QUOTED}[^,"]*)*', re.ASCII
)
"""A preference of the header with its value; parameters, which ``wait`` has none of, are skipped."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How many seconds a client wants to wait, cut to what can be had; and whether ``Prefer`` says so."""

    seconds: float = 0
    preferred: bool = False


NO_WISH = Wish()


def wish(request: Request, context: Context) -> Wish:
    """What a request says of waiting. The query goes before the header.

    A preference that can't be understood is ignored, as RFC 7240 wants it; a parameter is not.

    Raises InvalidRequestError: the parameter is no number.
    """
    text, preferred = request.option("wait"), False
    if text is None:
        header, preferred = request.headers.get("prefer"), True
        text = header and _preference(header)
        if not text:
            return NO_WISH
    elif not SECONDS.fullmatch(text):
        detail = "should be a whole number of seconds"
        raise InvalidRequestError("It is not clear how long to wait.", errors=[FieldError("?wait", detail)])
    left = request.seconds_left() - ANSWER_SECONDS
    return Wish(max(0, min(int(text), context.settings.max_wait, left)), preferred)


def wait(job: Job, wish: Wish, context: Context) -> tuple[Job, dict[str, str]]:
    """The job at its end or after the time that the client waits, and what headers tell of it.

    Where too many wait already, it is the job as it is: a wait is a preference, so the client asks again
    later like one that has none.

    Raises UnknownJobError, UnavailableError.
    """
    waited = False
    if wish.seconds and not job.ended:
        adapter = context.adapter
        found = adapter.waiters.wait(job.id, wish.seconds, lambda: adapter.get(job.id))
        waited, job = found is not None, found or job
    headers = retry_after(job)
    if waited and headers and job.status is not JobStatus.SCHEDULED:
        headers["Retry-After"] = "0"
    if wish.preferred and wish.seconds and (waited or job.ended):
        headers["Preference-Applied"] = f"wait={round(wish.seconds)}"
    return job, headers


def _preference(header: str) -> str | None:
    """The seconds of the header's first ``wait``; None if there is none, or none that is a number."""
    for name, value in PREFERENCE.findall(header):
        if name.lower() == "wait":
            seconds = value.strip('"')
            return seconds if SECONDS.fullmatch(seconds) else None
    return None
