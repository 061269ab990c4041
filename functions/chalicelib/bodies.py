"""Reading what a client sent, without trusting any of it."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from chalicelib.requests import Request
from coatcheck.errors import (
    InvalidJSONError,
    InvalidRequestError,
    PayloadTooLargeError,
    UnsupportedMediaTypeError,
)
from coatcheck.json_depth import check_depth

FORM = "application/x-www-form-urlencoded"
MAX_DEPTH = 64
"""Deepest nesting of a body; far below where Python's own recursion ends."""
MAX_FORM_FIELDS = 10_000
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that may be half a pair, which no UTF-8 text can hold."""


def is_form(request: Request) -> bool:
    """Whether the body is an HTML form."""
    return _content_type(request) == FORM


def json_object(request: Request, max_body: int, *, empty: dict[str, Any] | None = None) -> dict[str, Any]:
    """The JSON object of the body.

    Takes the most bytes it may have, and what no body at all stands for (None: it is refused).

    Raises PayloadTooLargeError, UnsupportedMediaTypeError, InvalidJSONError.
    """
    _check_size(request, max_body)
    if not request.body and empty is not None:
        return empty
    kind = _content_type(request)
    if kind not in ("", "application/json") and not re.fullmatch(r"application/[\w.-]+\+json", kind):
        raise UnsupportedMediaTypeError(f"The body's content type is {kind!r}; send 'application/json'.")
    value = parse_json(request.body)
    if not isinstance(value, dict):
        raise InvalidJSONError('The body should be a JSON object, such as {"number": 1}.')
    return value


def form_fields(request: Request, max_body: int) -> list[tuple[str, str]]:
    """The fields of the form in the body, in their order.

    Raises PayloadTooLargeError, UnsupportedMediaTypeError, InvalidRequestError.
    """
    _check_size(request, max_body)
    if not is_form(request):
        raise UnsupportedMediaTypeError(f"The body should be a form: send it as {FORM!r}.")
    if request.body.lstrip()[:1] in (b"{", b"["):
        raise UnsupportedMediaTypeError(
            f"The body looks like JSON, but its content type is {FORM!r}; send it as 'application/json'."
        )
    try:
        return parse_qsl(
            request.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS
        )
    except ValueError as error:
        raise InvalidRequestError(
            f"The form can't be read: it should be percent-encoded UTF-8 of up to {MAX_FORM_FIELDS} fields."
        ) from error


def parse_json(raw: bytes) -> Any:
    """Strict JSON (RFC 8259): UTF-8, each name once in an object, no NaN or infinity, not nested too deep.

    Raises InvalidJSONError.
    """
    try:
        text = raw.decode("utf-8")
        value = _DECODER.decode(text)
        check_depth(text, value, MAX_DEPTH)
        if SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise InvalidJSONError("The body is not UTF-8.") from error
    except UnicodeEncodeError as error:
        raise InvalidJSONError("The body has half a surrogate pair, which is no character.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidJSONError(f"The body is not JSON: {error.msg} at {place}.") from error
    except RecursionError as error:
        raise InvalidJSONError(f"The body is nested deeper than {MAX_DEPTH} levels.") from error
    except ValueError as error:
        raise InvalidJSONError(f"The body is not JSON: {error}.") from error
    return value


def _check_size(request: Request, max_body: int) -> None:
    if len(request.body) > max_body:
        raise PayloadTooLargeError(f"The body has {len(request.body)} bytes; at most {max_body} are taken.")


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {json.dumps(twice)} stands twice in one object")
    return members


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a number has too many digits") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_no_constant
)
