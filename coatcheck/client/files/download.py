"""Fetching a file: piece by piece, going on after a fault, and checked at its end."""

from __future__ import annotations

import hashlib
import time
from typing import Any, Protocol

from coatcheck.client.errors import ConnectionFailedError, TransferError
from coatcheck.client.files.reference import KEY, Document, FileReference, is_file
from coatcheck.client.files.upload import MOST_REFUSALS, refusal
from coatcheck.client.flow import Flow, Pause, backoff
from coatcheck.client.wire import Answer, Close, More, Open
from coatcheck.errors import CoatcheckError

PARTIAL = 206
"""The status of an answer that begins where it was asked to (RFC 9110, section 15.3.7)."""


class Jobs(Protocol):
    """The API's call that tells a job's files, with links that work."""

    retry_for: float

    def job_document(self, job_id: str) -> Flow[dict[str, Any]]:
        """The job as it is now."""


class Download:
    """A file on its way here. Takes the job that has it, which tells a new link when one is over."""

    def __init__(self, api: Jobs, job_id: str, file: FileReference) -> None:
        self._api = api
        self._job_id = job_id
        self._file = file
        self._url: str | None = file.document["url"]
        self._stream: Any = None
        self._skip = 0
        self._got = 0
        self._digest = hashlib.sha256()

    def next(self) -> Flow[bytes]:
        """The next bytes, none at the end.

        Raises TransferError: these are not the bytes that were promised; ConnectionFailedError, ProblemError.
        """
        end = time.monotonic() + self._api.retry_for
        attempt = refusals = 0
        while True:
            after: float | None = None
            fault: CoatcheckError
            try:
                if self._url is None:
                    raise TransferError(f"the API gives no link to {self._file.name}")
                if self._stream is None:
                    answer = yield Open(self._url, self._headers())
                    assert answer is not None
                    if answer.succeeded:
                        self._begin(answer)
                        continue
                    refusals += answer.status < 500
                    fault, after = (yield from self._refused(answer)), answer.retry_after
                else:
                    answer = yield More(self._stream)
                    assert answer is not None
                    chunk = self._fresh(answer.body)
                    if answer.body and not chunk:
                        continue
                    if wrong := self._wrong(chunk):
                        yield from self.close()
                        raise wrong
                    return chunk
            except ConnectionFailedError as error:
                fault = error
            yield from self.close()
            pause = backoff(attempt, after)
            if refusals == MOST_REFUSALS or time.monotonic() + pause > end:
                raise fault
            yield Pause(pause)
            attempt += 1
            if refusals:
                yield from self._renew()

    def close(self) -> Flow[None]:
        """No more of it is wanted."""
        if self._stream is not None:
            yield Close(self._stream)
            self._stream = None

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        return {**headers, "Range": f"bytes={self._got}-"} if self._got else headers

    def _begin(self, answer: Answer) -> None:
        self._stream = answer.stream
        self._skip = 0 if answer.status == PARTIAL else self._got

    def _refused(self, answer: Answer) -> Flow[TransferError]:
        body = yield More(answer.stream)
        yield Close(answer.stream)
        return refusal(Answer(answer.status, answer.headers, body.body if body else b""))

    def _fresh(self, chunk: bytes) -> bytes:
        """What of a chunk had not come before."""
        skipped = min(self._skip, len(chunk))
        self._skip -= skipped
        return chunk[skipped:]

    def _wrong(self, chunk: bytes) -> TransferError | None:
        """What is wrong with the file, as far as it has come with this chunk."""
        self._got += len(chunk)
        self._digest.update(chunk)
        name, size, sha256 = self._file.name, self._file.size, self._file.sha256
        if self._got > size or (not chunk and self._got < size):
            return TransferError(f"{name} has {self._got} bytes, and should have {size}")
        if not chunk and sha256 not in (None, self._digest.hexdigest()):
            return TransferError(f"{name} is not what it was: its SHA-256 is another")
        return None

    def _renew(self) -> Flow[None]:
        document = yield from self._api.job_document(self._job_id)
        self._url = found(document, self._file.id)


def found(value: Any, file_id: str) -> str | None:
    """The link of a file, wherever a job's document has it."""
    if is_file(value) and value[KEY] == file_id:
        url: str | None = value["url"]
        return url
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((url for entry in entries if (url := found(entry, file_id)) is not None), None)


def whole(api: Jobs, job_id: str, document: Document) -> Flow[bytes]:
    """All bytes of a file."""
    download = Download(api, job_id, FileReference(document))
    pieces = []
    while chunk := (yield from download.next()):
        pieces.append(chunk)
    return b"".join(pieces)
