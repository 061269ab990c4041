"""An API with uploads and its store, in memory: it breaks as a test says, and remembers what it was asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from tests.client.scripted import JOB, problem

STORE = "http://store.test"
FILE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "format": "coatcheck-file",
    "x-types": ["text/csv", "image/*"],
    "x-max-size": 1000,
    "properties": {"$file": {"type": "string"}},
    "required": ["$file"],
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "table": {"anyOf": [FILE_SCHEMA, {"type": "null"}]},
        "many": {"type": "array", "items": {"$ref": "#/$defs/Named"}},
        "folder": {"type": "string"},
    },
    "$defs": {
        "Named": {"type": "object", "properties": {"file": {"type": "object", "format": "coatcheck-file"}}}
    },
}

Fault = httpx.Response | Exception
Faults = Callable[[httpx.Request], Fault | None]


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent

    def __iter__(self) -> Iterator[bytes]:
        yield self._sent
        raise httpx.ReadError("broken")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            yield chunk


class FakeFiles(httpx.MockTransport):
    """Takes the size of a part, None: files have one. ``fault`` may answer instead of it, or break."""

    def __init__(self, part_size: int | None = None) -> None:
        super().__init__(self._answer)
        self.part_size = part_size
        self.files: dict[str, dict[str, Any]] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.served: dict[str, bytes] = {}
        self.requests: list[httpx.Request] = []
        self.fault: Faults = lambda request: None
        self.jobs = {**JOB, "status": "finished"}
        self.links = 0

    @property
    def told(self) -> list[str]:
        """What it was asked, a line each."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]

    def document(self, file_id: str, content: bytes, name: str, kind: str) -> dict[str, Any]:
        """A file of a result, which it serves from now on."""
        self.served[file_id] = content
        return {
            "$file": file_id,
            "name": name,
            "type": kind,
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "url": f"{STORE}/get/{file_id}?link={self.links}",
            "expires_at": "2026-11-25T10:15:00Z",
        }

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        fault = self.fault(request)
        if isinstance(fault, Exception):
            raise fault
        answer = fault or (self._store if request.url.host == "store.test" else self._api)(request)
        if isinstance(answer.stream, Broken):
            return answer
        # A new one, whose body has not been read yet, as from a network.
        return httpx.Response(
            answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content)
        )

    def _store(self, request: httpx.Request) -> httpx.Response:
        _, kind, file_id, *number = request.url.path.split("/")
        if kind == "put":
            assert int(request.headers["content-length"]) == len(request.content)
            self.parts[file_id][int(number[0])] = request.content
            return httpx.Response(200)
        content = self.served[file_id]
        begin = int(request.headers.get("range", "bytes=0-")[len("bytes=") : -1])
        return httpx.Response(206 if begin else 200, content=content[begin:])

    def _api(self, request: httpx.Request) -> httpx.Response:
        place = request.url.path.removeprefix("/stage/").split("/")
        match request.method, *place:
            case "POST", "uploads":
                file_id = f"f{len(self.files) + 1}"
                self.files[file_id] = json.loads(request.content)
                self.parts[file_id] = {}
                return httpx.Response(201, json=self._state(file_id, range(1, 101)))
            case "GET", "uploads", file_id:
                first, _, last = request.url.params.get("parts", "1-99999").partition("-")
                return httpx.Response(200, json=self._state(file_id, range(int(first), int(last) + 1)))
            case "POST", "uploads", file_id, "complete":
                return self._complete(file_id, json.loads(request.content)["parts"])
            case "GET", "tasks", _:
                return httpx.Response(200, json={"name": "a.b", "schema": SCHEMA})
            case "POST", "jobs":
                count = len(json.loads(request.content)["jobs"])
                return httpx.Response(202, json={"jobs": [self.jobs] * count})
        return httpx.Response(200, json=self.jobs)

    def _state(self, file_id: str, numbers: range) -> dict[str, Any]:
        self.links += 1
        file = self.files[file_id]
        size = self.part_size or max(1, file["size"])
        sizes = {
            number: min(size, file["size"] - begin)
            for number, begin in enumerate(range(0, max(1, file["size"]), size), 1)
        }
        arrived = self.parts[file_id]
        missing = [number for number in numbers if number in sizes and number not in arrived]
        return {
            "id": file_id,
            "status": "complete" if file.get("complete") else "waiting",
            "file": {"$file": file_id, "url": None, **file},
            "part_size": self.part_size,
            "parts": [
                {
                    "number": number,
                    "size": sizes[number],
                    "method": "PUT",
                    "url": f"{STORE}/put/{file_id}/{number}?link={self.links}",
                    "headers": {"x-check": "yes"},
                }
                for number in missing[:100]
            ],
            "arrived": [{"number": number, "size": sizes[number]} for number in arrived],
            "expires_at": "2026-11-26T10:00:00Z",
            "links": {},
        }

    def _complete(self, file_id: str, digests: list[dict[str, Any]]) -> httpx.Response:
        parts = self.parts[file_id]
        for told in digests:
            assert hashlib.sha256(parts[told["number"]]).hexdigest() == told["sha256"]
        content = b"".join(parts[number] for number in sorted(parts))
        file = self.files[file_id]
        if hashlib.sha256(content).hexdigest() != file["sha256"]:
            return problem(422, "invalid-request")
        file["complete"] = True
        return httpx.Response(200, json=self._state(file_id, range(0))["file"])
