"""Ends files of a folder whose time is over, as rules of a bucket do it for S3."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from itertools import islice

from coatcheck.errors import ProblemError
from coatcheck.files.folder import FolderStore
from coatcheck.files.ids import DAY, read_id
from coatcheck.files.records import FileRecords

SPARE = 3600
"""Seconds that a file stays beyond its time: its job may have ended a little later than it was kept."""
BATCH = 500

log = logging.getLogger("coatcheck.files")


class Sweeper:
    """Takes the store, the records of uploads, for how long one stays that no job uses, for tests a clock."""

    def __init__(
        self,
        store: FolderStore,
        records: FileRecords,
        upload_ttl: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._records = records
        self._upload_ttl = upload_ttl
        self._clock = clock

    def sweep(self) -> int:
        """Delete what is over. Returns how many files that were. Raises UnavailableError."""
        swept, files = 0, self._store.kept()
        while batch := list(islice(files, BATCH)):
            unused = []
            for key, changed in batch:
                file_id, age = key.replace("/", "."), self._clock() - changed
                place = read_id(file_id)
                if place is None:
                    continue
                if age > place.days * DAY + SPARE:
                    self._store.delete(key)
                    swept += 1
                elif place.job is None and age > self._upload_ttl + SPARE:
                    unused.append(file_id)
            for file_id, record in zip(unused, self._records.get_many(unused), strict=True):
                if record is None:
                    self._store.delete(file_id.replace(".", "/"))
                    swept += 1
        self._store.tidy(self._clock() - self._upload_ttl - SPARE)
        return swept

    def run(self, pause: Callable[[], bool]) -> None:
        """Sweep again and again. Takes what waits between two times, and says when it is enough."""
        while True:
            try:
                if swept := self.sweep():
                    log.info("deleted %d files whose time was over", swept)
            except ProblemError as error:
                log.warning("files were not looked through: %s", error)
            if pause():
                return
