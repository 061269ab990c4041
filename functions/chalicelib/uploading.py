"""What the requests to ``/uploads`` do: imported by the first one, so that no other start pays for it."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from typing import Any

from chalicelib import bodies
from chalicelib.context import Context, current
from chalicelib.requests import Request
from chalicelib.responses import PRIVATE, Answer, json_answer
from coatcheck.errors import FieldError, FilesOffError, InvalidRequestError, InvalidUploadError
from coatcheck.files.desk import FileDesk
from coatcheck.files.info import SHA256, TYPE, UNKNOWN_TYPE, name_fault
from coatcheck.files.records import FileRecord
from coatcheck.files.showing import shown
from coatcheck.files.store import Part
from coatcheck.json_pointer import escaped

MOST_LINKS = 100
"""Links of parts in one answer."""
PARTS = re.compile(r"([1-9][0-9]{0,4})-([1-9][0-9]{0,4})")


def begin(request: Request) -> Answer:
    """Take note of a file that is to come, and tell where its parts go."""
    context = current()
    files = _files(context)
    document = bodies.json_object(request, context.settings.max_body)
    owner = request.caller.owner
    limits: dict[str, str] = {}
    name, kind, size, sha256 = _read(document, files.largest(owner))
    record = files.begin(name, kind, size, sha256, owner, limits)
    headers = PRIVATE | limits | {"Location": request.link("uploads", record.id)}
    return json_answer(_document(record, files, request), 201, headers)


def look(request: Request) -> Answer:
    """What has arrived of a file, and where the rest goes."""
    files = _files(current())
    record = files.find(request.parameters["id"], request.caller.access)
    return json_answer(_document(record, files, request), headers=PRIVATE)


def complete(request: Request) -> Answer:
    """Make a file of its parts: from now on jobs can be given it."""
    context = current()
    files = _files(context)
    document = bodies.json_object(request, context.settings.max_body, empty={})
    record = files.find(request.parameters["id"], request.caller.access)
    record = files.complete(record, _read_parts(document, record.upload.count))
    return json_answer(shown(record.info, files.link), headers=PRIVATE)


def delete(request: Request) -> Answer:
    """Delete a file that no job uses, or what has arrived of it."""
    files = _files(current())
    files.remove(files.find(request.parameters["id"], request.caller.access))
    return Answer(204, "", PRIVATE)


def _files(context: Context) -> FileDesk:
    """Raises FilesOffError."""
    if context.adapter.files is None:
        raise FilesOffError("This API keeps no files: COATCHECK_FILES names no place for them.")
    return context.adapter.files


def _document(record: FileRecord, files: FileDesk, request: Request) -> dict[str, Any]:
    arrived = files.arrived(record)
    address = request.link("uploads", record.id)
    links, until = files.part_links(record, _missing(record, {part.number for part in arrived}, request))
    return {
        "id": record.id,
        "status": "complete" if record.complete else "waiting",
        "file": shown(record.info, files.link if record.complete else None),
        "part_size": record.part_size,
        "count": record.upload.count,
        "arrived": [{"number": part.number, "size": part.size} for part in arrived],
        "parts": [
            {
                "number": link.number,
                "size": link.size,
                "method": link.method,
                "url": link.url,
                "headers": dict(link.headers),
            }
            for link in links
        ],
        "links_expire_at": until,
        "expires_at": files.ends_at(record),
        "links": {"self": address, "complete": f"{address}/complete"},
    }


def _missing(record: FileRecord, arrived: set[int], request: Request) -> list[int]:
    """The parts to show links of: those asked for, or the first ones, as far as they have not arrived."""
    if record.complete:
        return []
    first, last = _range(request.option("parts"))
    missing = [number for number in range(first, min(last, record.upload.count) + 1) if number not in arrived]
    return missing[:MOST_LINKS]


def _range(text: str | None) -> tuple[int, int]:
    """Raises InvalidRequestError."""
    if text is None:
        return 1, 99_999
    match = PARTS.fullmatch(text)
    if match is None:
        detail = "should be the numbers of parts, such as 101-200"
        raise InvalidRequestError(f"The parameter parts {detail}.", errors=[FieldError("?parts", detail)])
    return int(match[1]), int(match[2])


def _read(document: Mapping[str, Any], largest: int) -> tuple[str, str, int, str | None]:
    """The name, type, bytes and SHA-256 of a file that is to come. Raises InvalidUploadError."""
    known = ("name", "type", "size", "sha256")
    errors = [FieldError(f"/{escaped(name)}", "is not known") for name in document if name not in known]
    errors += [FieldError(f"/{name}", "is required") for name in ("name", "size") if name not in document]
    name, size, sha256 = document.get("name", "x"), document.get("size", 0), document.get("sha256")
    fault = name_fault(name) if isinstance(name, str) else "should be a text"
    if fault is not None:
        errors.append(FieldError("/name", fault))
        name = "x"
    kind = _kind(document.get("type"), name)
    if kind is None:
        errors.append(FieldError("/type", "should be a media type, such as text/csv"))
    if type(size) is not int or not 0 <= size <= largest:
        errors.append(FieldError("/size", f"should be a whole number of bytes from 0 to {largest}"))
    if sha256 is not None and not _is_sha256(sha256):
        errors.append(FieldError("/sha256", "should be 64 hexadecimal digits, in lower case"))
    if errors or kind is None:
        raise InvalidUploadError("The file can't be taken.", errors=errors)
    return name, kind, size, sha256


def _kind(given: Any, name: str) -> str | None:
    """The type of a file, by its name where none is given; None: the one that is given is none."""
    if given in (None, ""):
        guessed, coding = mimetypes.guess_type(name)
        return UNKNOWN_TYPE if guessed is None or coding else guessed
    kind = given.partition(";")[0].strip().lower() if isinstance(given, str) else ""
    return kind if TYPE.fullmatch(kind) else None


def _read_parts(document: Mapping[str, Any], count: int) -> list[Part]:
    """What a client says of its parts. Raises InvalidUploadError."""
    errors = [FieldError(f"/{escaped(name)}", "is not known") for name in document if name != "parts"]
    parts, found = document.get("parts", []), []
    if not isinstance(parts, list) or len(parts) > count:
        errors.append(FieldError("/parts", f"should be an array of at most {count} parts"))
        parts = []
    for index, part in enumerate(parts):
        if (
            isinstance(part, dict)
            and part.keys() <= {"number", "sha256"}
            and type(part.get("number")) is int
            and 1 <= part["number"] <= count
            and (part.get("sha256") is None or _is_sha256(part["sha256"]))
        ):
            found.append(Part(part["number"], 0, part.get("sha256")))
        else:
            detail = f"should have a number from 1 to {count}, and may have a sha256"
            errors.append(FieldError(f"/parts/{index}", detail))
    if errors:
        raise InvalidUploadError("What is said of the parts is not valid.", errors=errors)
    return found


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and SHA256.fullmatch(value) is not None
