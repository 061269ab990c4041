"""What Redis knows of uploaded files: whose they are, what they shall be, and whether they are whole.

A JSON text under ``file:{id}``, which ends by itself. Files that jobs return have no record: their job's
result tells all of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import redis

from coatcheck.connection import reaching_redis
from coatcheck.errors import FileInUseError, UnknownFileError
from coatcheck.files.ids import DAY, key_of, read_id
from coatcheck.files.info import FileInfo
from coatcheck.files.store import Upload
from coatcheck.keys import Keys


@dataclass(frozen=True, slots=True)
class FileRecord:
    """An uploaded file. ``complete``: it is whole, and never changes again. ``used``: a job was given it.

    ``created_at`` is in seconds since 1970; the rest is as in ``Upload``.
    """

    id: str
    name: str
    type: str
    size: int
    sha256: str | None
    created_at: int
    part_size: int | None = None
    token: str = ""
    complete: bool = False
    used: bool = False

    @property
    def info(self) -> FileInfo:
        """What a job is told of it."""
        return FileInfo(self.id, self.name, self.type, self.size, self.sha256)

    @property
    def upload(self) -> Upload:
        """What its store is to know of it."""
        return Upload(key_of(self.id), self.type, self.size, self.part_size, self.sha256, self.token)

    @property
    def kept_until(self) -> int:
        """Until when its store keeps it, in seconds since 1970."""
        found = read_id(self.id)
        return self.created_at + (found.days if found else 0) * DAY


class FileRecords:
    """Takes a client of Redis and the names of its keys. Every method raises UnavailableError."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def add(self, record: FileRecord, ttl: int) -> None:
        """Keep a new record for so many seconds."""
        with reaching_redis():
            self._redis.set(self._keys.file(record.id), _text(record), ex=ttl)

    def get(self, file_id: str) -> FileRecord | None:
        """A file's record. Takes anything; None: there is none."""
        return self.get_many([file_id])[0]

    def get_many(self, file_ids: list[str]) -> list[FileRecord | None]:
        """The records of many files, in one round trip; None for each that has none."""
        known = [file_id for file_id in file_ids if read_id(file_id) is not None]
        if not known:
            return [None] * len(file_ids)
        with reaching_redis():
            texts: Any = self._redis.mget([self._keys.file(file_id) for file_id in known])
        found = dict(zip(known, texts, strict=True))
        return [_record(found.get(file_id)) for file_id in file_ids]

    def complete(self, record: FileRecord) -> FileRecord:
        """Note that a file is whole, and its SHA-256. Its record stays for as long as before.

        Returns it as it is now: another request may have been first, and a job may use the file since. Raises
        UnknownFileError: it is gone.
        """
        key = self._keys.file(record.id)

        def step(pipeline: Any) -> Any:
            found = _record(pipeline.get(key))
            if found is None:
                raise UnknownFileError("The file was deleted meanwhile, or its time is over.")
            done = found if found.complete else replace(found, complete=True, sha256=record.sha256)
            pipeline.multi()
            pipeline.set(key, _text(done), keepttl=True)
            return done

        with reaching_redis():
            done: Any = self._redis.transaction(step, key, value_from_callable=True)
        completed: FileRecord = done
        return completed

    def use(self, records: list[FileRecord], now: int) -> bool:
        """Have files stay as long as their store keeps them, since a job is to be given them.

        False: one of them is gone.
        """
        with reaching_redis():
            pipeline = self._redis.pipeline(transaction=True)
            for record in records:
                text, left = _text(replace(record, used=True)), max(1, record.kept_until - now)
                pipeline.set(self._keys.file(record.id), text, xx=True, ex=left)
            return all(pipeline.execute())

    def remove(self, file_id: str) -> FileRecord | None:
        """Drop a record. Returns it as it was. Raises FileInUseError: a job was given the file."""
        key = self._keys.file(file_id)

        def step(pipeline: Any) -> Any:
            record = _record(pipeline.get(key))
            if record is not None and record.used:
                raise FileInUseError(
                    "A job was submitted with the file: it is kept as long as the job may be."
                )
            pipeline.multi()
            pipeline.delete(key)
            return record

        with reaching_redis():
            found: Any = self._redis.transaction(step, key, value_from_callable=True)
        record: FileRecord | None = found
        return record


def _text(record: FileRecord) -> str:
    return json.dumps(asdict(record), separators=(",", ":"))


def _record(text: bytes | None) -> FileRecord | None:
    """A record, None for a text that is none."""
    try:
        return None if text is None else FileRecord(**json.loads(text))
    except (ValueError, TypeError):
        return None
