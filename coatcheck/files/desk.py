"""What the API does with uploaded files, and how any file is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import redis

from coatcheck.errors import UnknownFileError
from coatcheck.files.giving import Giver
from coatcheck.files.ids import days_for, new_upload_id, owner_of, read_id
from coatcheck.files.info import FileInfo
from coatcheck.files.limit import UploadLimit
from coatcheck.files.records import FileRecord, FileRecords
from coatcheck.files.store import Part, PartLink, Store, open_store
from coatcheck.job import Job, format_time
from coatcheck.keys import Keys
from coatcheck.scopes import Access
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings

LINK_SECONDS = 900
"""How long a link for a download is good, at least."""
WINDOW = 300
"""Seconds in which a file has the same link, so that a document with it does not change."""
UPLOAD_SECONDS = 3600
"""How long the links of an upload are good: a part has to begin by then."""
MOST_PARTS = 10_000
"""Of one upload, as S3 has it."""


class FileDesk:
    """What the API does with files.

    Takes the store, the records of uploads, their limit, the settings, what reads a job, and for tests a
    clock. All of it raises UnavailableError and FilesUnavailableError.
    """

    def __init__(
        self,
        store: Store,
        records: FileRecords,
        limit: UploadLimit,
        settings: Settings,
        find_job: Callable[[str, Access], Job],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.records = records
        self._limit = limit
        self._settings = settings
        self._clock = clock
        self.giver = Giver(store, records, find_job, clock)

    @property
    def origin(self) -> str:
        """The origin of all links; empty: the API's own."""
        return self.store.origin

    def largest(self, owner: str | None) -> int:
        """The most bytes that a file may have. Takes whose it is."""
        return int(min(self._settings.max_file, self._limit.largest(owner)))

    def begin(
        self,
        name: str,
        kind: str,
        size: int,
        sha256: str | None,
        owner: str | None,
        headers: dict[str, str] | None = None,
    ) -> FileRecord:
        """Get ready for a file.

        Takes its name, type and bytes, their SHA-256 if that is known, and whose it is. ``headers`` are
        filled with what the owner's limit is, and what is left of it. Raises TooMuchUploadedError.
        """
        told = self._limit.take(size, owner)
        if headers is not None:
            headers |= told
        settings = self._settings
        days = days_for(settings.upload_ttl + max(settings.result_ttl, settings.failure_ttl))
        record = FileRecord(
            id=new_upload_id(days, owner),
            name=name,
            type=kind,
            size=size,
            sha256=sha256,
            created_at=int(self._clock()),
            part_size=_part_size(size, settings.part_size),
        )
        record = replace(record, token=self.store.begin(record.upload).token)
        self.records.add(record, settings.upload_ttl)
        return record

    def find(self, file_id: str, access: Access) -> FileRecord:
        """An uploaded file. Takes what the caller may deal with.

        Raises UnknownFileError: also when it is another owner's.
        """
        place = read_id(file_id)
        if place is not None and (access.owner is None or place.owner == owner_of(access.owner)):
            record = self.records.get(file_id)
            if record is not None:
                return record
        raise UnknownFileError(
            f"There is no file {file_id!r}: it was never uploaded, was deleted, or its time is over."
        )

    def part_links(self, record: FileRecord, numbers: Iterable[int]) -> tuple[list[PartLink], str]:
        """Where parts go, and until when."""
        until = int(self._clock()) + UPLOAD_SECONDS
        return self.store.part_links(record.upload, numbers, until), _time(until)

    def arrived(self, record: FileRecord) -> list[Part]:
        """The parts that are there."""
        return [] if record.complete else self.store.arrived(record.upload)

    def complete(self, record: FileRecord, parts: Sequence[Part]) -> FileRecord:
        """Make a file of its parts.

        Takes what the client says of them. Raises UploadIncompleteError, FileMismatchError, UnknownFileError.
        """
        if record.complete:
            return record
        stored = self.store.complete(record.upload, parts)
        return self.records.complete(replace(record, sha256=record.sha256 or stored.sha256))

    def remove(self, record: FileRecord) -> None:
        """Delete a file, or what has arrived of it. Raises FileInUseError."""
        self.records.remove(record.id)
        self.store.abort(record.upload)
        self.store.delete(record.upload.key)

    def ends_at(self, record: FileRecord) -> str:
        """When a file is gone that no job uses."""
        return _time(record.created_at + self._settings.upload_ttl)

    def link(self, info: FileInfo) -> dict[str, str]:
        """The members ``url`` and ``expires_at`` of a file that is shown to who may have it."""
        since = int(self._clock()) // WINDOW * WINDOW
        until = since + WINDOW + LINK_SECONDS
        url = self.store.download_link(info.key, name=info.name, kind=info.type, since=since, until=until)
        return {"url": url, "expires_at": _time(until)}


def open_desk(
    client: redis.Redis, keys: Keys, settings: Settings, find_job: Callable[[str, Access], Job]
) -> FileDesk | None:
    """What is done with the files of the settings; None: files are off. Connects to nothing.

    Takes what reads a job for whom it may be shown to. Raises SettingsError.
    """
    store = open_store(settings)
    if store is None:
        return None
    limit = UploadLimit(Scripts(client, settings.prefix), keys, settings.upload_bytes_per_day)
    return FileDesk(store, FileRecords(client, keys), limit, settings, find_job)


def _part_size(size: int, part_size: int) -> int | None:
    """The bytes of a part; None: one is enough."""
    return None if size <= part_size else max(part_size, -(-size // MOST_PARTS))


def _time(seconds: int) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))
