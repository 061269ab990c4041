"""Sending a file: to the API what it is, to the store its bytes, part by part."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from coatcheck.client.errors import ConnectionFailedError, TransferError
from coatcheck.client.files.reference import UploadedFile
from coatcheck.client.files.source import Source
from coatcheck.client.flow import Flow, Pause, Work, backoff
from coatcheck.client.wire import Answer, Put
from coatcheck.errors import CoatcheckError

OnProgress = Callable[[int, int], None]
"""Is told how many bytes of how many were sent; the first goes back when a part is sent again."""

LINKS = 100
"""Parts whose links the API tells at once."""
MOST_REFUSALS = 4
"""How often one part may be refused in a row, each time with a new link."""


class Uploads(Protocol):
    """The API's calls about uploads."""

    retry_for: float

    def new_upload(self, file: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Announce a file."""

    def upload_state(self, upload_id: str, parts: str | None = None) -> Flow[dict[str, Any]]:
        """What of it has arrived, and links for what has not; of the parts ``1-100``, say."""

    def complete_upload(self, upload_id: str, parts: list[dict[str, Any]]) -> Flow[dict[str, Any]]:
        """All has arrived. Returns the file's document."""


def upload(
    api: Uploads, source: Source, on_progress: OnProgress | None = None, resume: str | None = None
) -> Flow[UploadedFile]:
    """Upload a file. Takes the id of an upload that was cut off, to go on there.

    Raises TransferError, ConnectionFailedError, ProblemError. Their notes tell the id to go on with.
    """
    yield Work(source.measure)
    known = {"name": source.name, "type": source.type, "size": source.size, "sha256": source.sha256}
    if resume is None:
        state = yield from api.new_upload(known)
    else:
        state = yield from api.upload_state(resume)
        _same(source, state["file"])
    if state.get("status") == "complete":
        return UploadedFile(state["file"])
    try:
        return (yield from _Sending(api, source, state, on_progress).all())
    except CoatcheckError as error:
        error.add_note(f"upload(..., resume={state['id']!r}) goes on with what has arrived.")
        raise


def _same(source: Source, file: Mapping[str, Any]) -> None:
    if (file["size"], file.get("sha256") or source.sha256) != (source.size, source.sha256):
        raise TransferError(f"{source.name} is not the file whose upload is to go on")


class _Sending:
    """An upload on its way."""

    def __init__(
        self, api: Uploads, source: Source, state: Mapping[str, Any], on_progress: OnProgress | None
    ) -> None:
        self._api = api
        self._source = source
        self._id: str = state["id"]
        self._part_size: int = state["part_size"] or max(1, source.size)
        self._count = max(1, -(-source.size // self._part_size))
        self._tell = on_progress or (lambda sent, size: None)
        self._links: dict[int, Mapping[str, Any]] = {}
        self._asked = 0
        self._digests: dict[int, str] = {}
        told = [part["number"] for part in state["parts"]]
        self._learn(state, range(1, (told[-1] if len(told) == LINKS else self._count) + 1))

    def all(self) -> Flow[UploadedFile]:
        """Send what is missing, then tell that this was all."""
        for number in range(1, self._count + 1):
            if number > self._asked:
                yield from self._look(range(number, number + LINKS))
            if number in self._links:
                yield from self._part(number)
            self._tell(min(number * self._part_size, self._source.size), self._source.size)
        parts = [{"number": number, "sha256": digest} for number, digest in self._digests.items()]
        return UploadedFile((yield from self._api.complete_upload(self._id, parts)))

    def _look(self, numbers: range) -> Flow[None]:
        asked = f"{numbers[0]}-{numbers[-1]}" if self._count > 1 else None
        self._learn((yield from self._api.upload_state(self._id, asked)), numbers)

    def _learn(self, state: Mapping[str, Any], numbers: range) -> None:
        for number in numbers:
            self._links.pop(number, None)
        self._links |= {part["number"]: part for part in state["parts"] if part["number"] in numbers}
        self._asked = max(self._asked, numbers[-1])

    def _part(self, number: int) -> Flow[None]:
        """Send a part until it has arrived, each time by a new link. Raises the last reason why not."""
        end = time.monotonic() + self._api.retry_for
        attempt = refusals = 0
        while number in self._links:
            after: float | None = None
            fault: CoatcheckError
            try:
                answer = yield self._put(number)
            except ConnectionFailedError as error:
                fault = error
            else:
                assert answer is not None
                if answer.succeeded:
                    return
                refusals += answer.status < 500
                fault, after = refusal(answer), answer.retry_after
            pause = backoff(attempt, after)
            if refusals == MOST_REFUSALS or time.monotonic() + pause > end:
                raise fault
            yield Pause(pause)
            attempt += 1
            yield from self._look(range(number, number + 1))

    def _put(self, number: int) -> Put:
        link = self._links[number]
        offset = (number - 1) * self._part_size
        size = min(self._part_size, self._source.size - offset)
        chunks = partial(self._chunks, number, offset, size)
        return Put(link.get("method", "PUT"), link["url"], link.get("headers") or {}, size, chunks)

    def _chunks(self, number: int, offset: int, size: int) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in self._source.chunks(offset, size):
            digest.update(chunk)
            yield chunk
            offset += len(chunk)
            self._tell(offset, self._source.size)
        self._digests[number] = digest.hexdigest()


def refusal(answer: Answer) -> TransferError:
    """Why a store did not do as told. Takes its answer: S3 writes XML, the laptop's a problem document."""
    problem = answer.problem
    said = (problem or {}).get("detail") or _tag(answer.body, "Message") or ""
    return TransferError(f"the files' store answered {answer.status}{': ' if said else ''}{said}")


def _tag(body: bytes, name: str) -> str:
    text = body[:4096].decode(errors="replace")
    return text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]
