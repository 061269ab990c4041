"""The options of a submission: from the query of one, or from the entries of a batch."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.context import Context
from chalicelib.dependencies import Wait
from chalicelib.requests import Request
from coatcheck.errors import FieldError, InvalidRequestError
from coatcheck.job import CANCEL, MAX_AFTER, RUN, utcnow
from coatcheck.settings import YEAR, Settings

NAMES = frozenset({"queue", "delay", "at", "timeout", "callback", "after", "if_failed"})
REPEATED = frozenset({"after"})
"""Options that a query may have more than once."""
IF_FAILED = (CANCEL, RUN)
MAX_DELAY = YEAR
"""How far ahead a job may be scheduled, in seconds."""
DURATION = re.compile(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s?)?", re.ASCII | re.IGNORECASE
)
DURATION_UNITS = (24 * 3600, 3600, 60, 1)
RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?(Z|z|[+ -]\d\d:\d\d)", re.ASCII
)
IDEMPOTENCY_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Options:
    """Checked options; None: not given.

    ``at``: not before that time; ``timeout`` is in seconds; ``callback``: the URL that the end is told to;
    ``after``: the jobs that it waits for, by names that nobody has checked yet; ``if_failed``: what becomes
    of it when one of them does not finish. ``given`` are the options as the client wrote them: the same
    request again has the same.
    """

    queue: str | None = None
    timeout: int | None = None
    at: datetime | None = None
    callback: str | None = None
    after: tuple[Wait, ...] = ()
    if_failed: str | None = None
    given: Mapping[str, Any] = field(default_factory=dict)


NONE_GIVEN = Options()


def from_query(request: Request, context: Context) -> Options:
    """The options in a request's query. Raises InvalidRequestError: names every wrong one."""
    if not request.query:
        return NONE_GIVEN
    given: dict[str, Any] = {name: request.option(name) for name in sorted(NAMES.intersection(request.query))}
    if "after" in given:
        given["after"] = [name for name in ",".join(request.query["after"]).split(",") if name]
    options, errors = parse(given, context, lambda name: f"?{name}")
    if errors:
        raise InvalidRequestError(f"{_count(len(errors))} not valid.", errors=errors)
    return options


def parse(
    given: Mapping[str, Any], context: Context, place: Callable[[str], str]
) -> tuple[Options, list[FieldError]]:
    """Check options as they were given; None counts as not given.

    Takes what tells an option's place for an error. Returns the options and all errors.
    """
    given = {name: value for name, value in given.items() if value is not None}
    errors: list[FieldError] = []

    def checked(name: str, check: Callable[[Any], Any]) -> Any:
        if name not in given:
            return None
        try:
            return check(given[name])
        except ValueError as error:
            errors.append(FieldError(place(name), str(error)))
            return None

    delay = checked("delay", _delay)
    at = checked("at", _at)
    if "delay" in given and "at" in given:
        errors.append(FieldError(place("at"), "can't be given together with delay"))
    options = Options(
        queue=checked("queue", lambda value: _queue(value, context.queues)),
        timeout=checked("timeout", lambda value: _timeout(value, context.settings.max_timeout)),
        at=utcnow() + timedelta(seconds=delay) if delay else at,
        callback=checked("callback", lambda value: _callback(value, context.settings)),
        after=_waits(checked("after", _after) or (), place("after")),
        if_failed=checked("if_failed", _if_failed),
        given=given,
    )
    return options, errors


def idempotency_key(request: Request) -> str | None:
    """The ``Idempotency-Key`` of a request, made the caller's own; None if there is none.

    Raises InvalidRequestError.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not IDEMPOTENCY_KEY.fullmatch(key):
        detail = "should be 1 to 255 printable ASCII characters"
        raise InvalidRequestError(
            f"The Idempotency-Key {detail}.", errors=[FieldError("Idempotency-Key", detail)]
        )
    name = request.caller.lasting_name
    return f"{name}\n{key}" if name else key


def seconds(value: Any) -> float:
    """A duration in seconds: a number of them, or a text such as ``90``, ``5m`` or ``1h30m``.

    Raises ValueError.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
        return value
    match = DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError("should be a number of seconds, or a text such as 90, 5m or 1h30m")
    return sum(unit * int(count) for unit, count in zip(DURATION_UNITS, match.groups(), strict=True) if count)


def _delay(value: Any) -> float:
    delay = seconds(value)
    if delay > MAX_DELAY:
        raise ValueError("should be at most a year")
    return delay


def _timeout(value: Any, longest: int) -> int:
    timeout = seconds(value)
    if not 1 <= timeout <= longest or timeout != int(timeout):
        raise ValueError(f"should be whole seconds from 1 to {longest}")
    return int(timeout)


def _queue(value: Any, queues: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in queues:
        raise ValueError(f"should be one of {', '.join(queues)}")
    return value


def _after(value: Any) -> list[str]:
    most = MAX_AFTER
    if not isinstance(value, list) or len(value) > most or not all(isinstance(name, str) for name in value):
        raise ValueError(f"should be at most {most} ids of jobs")
    return value


def _waits(names: Sequence[str], place: str) -> tuple[Wait, ...]:
    in_query = place.startswith("?")
    return tuple(Wait(name, place if in_query else f"{place}/{index}") for index, name in enumerate(names))


def _if_failed(value: Any) -> str:
    if value not in IF_FAILED:
        raise ValueError(f"should be one of {', '.join(IF_FAILED)}")
    return str(value)


def _callback(value: Any, settings: Settings) -> str:
    """A callback's URL, as it was given."""
    if not settings.callback_secret:
        raise ValueError("can't be given: no secret to sign it with is set up (COATCHECK_CALLBACK_SECRET)")
    from coatcheck.callbacks import parse_url

    parse_url(value, settings)
    return str(value)


def _at(value: Any) -> datetime | None:
    """The time of an RFC 3339 text, None if it is past: then the job is due at once."""
    match = RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("should be an RFC 3339 time with its zone, such as 2030-01-31T18:00:00Z")
    day, clock, fraction, zone = match.groups()
    # A plus sign that is not percent-encoded arrives as a space.
    zone = zone.upper().replace(" ", "+")
    try:
        at = datetime.fromisoformat(f"{day}T{clock}.{fraction or 0:0<6}{zone}")
        left = (at - utcnow()).total_seconds()
    except (ValueError, OverflowError):
        raise ValueError("is no time that exists") from None
    if left > MAX_DELAY:
        raise ValueError("should be at most a year ahead")
    return at if left > 0 else None


def _count(number: int) -> str:
    return f"{number} parameter of the query is" if number == 1 else f"{number} parameters of the query are"
