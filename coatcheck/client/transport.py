"""Between our calls and httpx: what both clients ask it for, and what they make of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin

import httpx

from coatcheck import __version__
from coatcheck.client.errors import ConnectionFailedError
from coatcheck.client.flow import Flow, Step
from coatcheck.client.wire import Answer, Call, Open, Put, checked_url
from coatcheck.errors import SettingsError

Value = TypeVar("Value")

URL = "COATCHECK_URL"
TOKEN = "COATCHECK_TOKEN"  # noqa: S105 (the variable's name)
VARIABLES = {
    URL: "Where the API is, such as `https://abc123.execute-api.eu-west-1.amazonaws.com/api`.",
    TOKEN: "The token to send, where the API asks for one.",
}
"""What the client reads from the environment."""
TIMEOUT = 30.0
"""Seconds for one answer: API Gateway gives up after 29."""
RETRY_FOR = 60.0
"""Seconds for which what may be repeated is tried again."""
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""What httpx raises before a request has left."""


@dataclass(frozen=True)
class Address:
    """Where the API is, without a slash at the end; the headers of each request; seconds for an answer."""

    url: str
    headers: Mapping[str, str]
    timeout: float

    def request(self, client: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
        """A call as httpx sends it."""
        return client.build_request(
            call.method,
            self.url + call.path,
            params=call.query or None,
            content=call.body,
            headers={**self.headers, **call.headers},
            timeout=self.timeout + call.patience,
        )

    def to_store(self, client: httpx.Client | httpx.AsyncClient, step: Put | Open) -> httpx.Request:
        """The same for a file and its link, which may be relative to the API's address."""
        method = step.method if isinstance(step, Put) else "GET"
        url = urljoin(f"{self.url}/", step.url)
        request = client.build_request(method, url, headers=step.headers, timeout=self.timeout)
        if isinstance(step, Open):
            return request
        request.headers["Content-Length"] = str(step.size)
        return httpx.Request(
            method,
            request.url,
            headers=request.headers,
            stream=Piece(step.chunks),
            extensions=request.extensions,
        )


class Piece(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a request, read from a file while it is sent."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = self._chunks()
        while chunk := await asyncio.to_thread(next, chunks, b""):
            yield chunk


def answer(response: httpx.Response, body: bytes, stream: Any = None) -> Answer:
    """A response as flows take it."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, body, stream)


def address(url: str | None, token: str | None, timeout: float, environ: Mapping[str, str]) -> Address:
    """Where the API is: as given, else as the environment says. Raises SettingsError."""
    if not (where := url or environ.get(URL)):
        raise SettingsError(f"where is the API? Give its URL, or set {URL}")
    headers = {"Accept": "application/json", "User-Agent": f"coatcheck-client/{__version__}"}
    if secret := token or environ.get(TOKEN):
        headers["Authorization"] = f"Bearer {secret}"
    return Address(checked_url(where), headers, timeout)


@dataclass(frozen=True)
class Reading:
    """A response whose body is read piece by piece."""

    response: httpx.Response
    chunks: Any


class Drive(Generic[Value]):
    """A flow on its way: ``step`` is what it wants done now, None when ``value`` is what it came to."""

    value: Value

    def __init__(self, flow: Flow[Value], address: Address) -> None:
        self._flow = flow
        self._address = address
        self.step: Step | None = None
        self.passed()

    def passed(self) -> None:
        """The pause or the work is over."""
        self._go_on(self._flow.send, None)

    def answered(self, answer: Answer) -> None:
        """The request has an answer."""
        self._go_on(self._flow.send, answer)

    def failed(self, error: httpx.RequestError) -> None:
        """The request has none."""
        told = f"no answer from {self._place}: {str(error) or type(error).__name__}"
        lost = ConnectionFailedError(told, sent=not isinstance(error, NEVER_SENT))
        lost.__cause__ = error
        self._go_on(self._flow.throw, lost)

    @property
    def _place(self) -> str:
        return self._address.url if isinstance(self.step, Call) else "the files' store"

    def _go_on(self, step: Callable[[Any], Step], sent: Any) -> None:
        try:
            self.step = step(sent)
        except StopIteration as end:
            self.step, self.value = None, end.value
