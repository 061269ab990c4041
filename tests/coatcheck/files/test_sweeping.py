"""Files of a folder end when their time is over, and not before."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import redis

from coatcheck.files.folder import FolderStore
from coatcheck.files.ids import DAY, key_of, moved, new_upload_id, result_id
from coatcheck.files.records import FileRecord, FileRecords
from coatcheck.files.store import Upload
from coatcheck.files.sweeping import SPARE, Sweeper
from coatcheck.job import new_job_id
from coatcheck.keys import Keys

HOUR = 3600


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "files")


@pytest.fixture
def records(client: redis.Redis, keys: Keys) -> FileRecords:
    return FileRecords(client, keys)


def keep(store: FolderStore, file_id: str, age: float) -> Path:
    path = store.folder / key_of(file_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text")
    os.utime(path, (0, time.time() - age))
    return path


def result(days: int) -> str:
    return result_id(days, "ann", new_job_id(), "0123456789abcdef", 1)


@pytest.mark.parametrize("days", [1, 7, 30, 365])
def test_a_file_ends_after_the_days_of_its_key(store: FolderStore, records: FileRecords, days: int) -> None:
    old, young = keep(store, result(days), days * DAY + SPARE + 60), keep(store, result(days), days * DAY)
    assert Sweeper(store, records, DAY).sweep() == 1
    assert not old.exists() and young.exists()


def test_an_upload_ends_with_its_record_and_one_that_a_job_uses_stays(
    store: FolderStore, records: FileRecords
) -> None:
    used, unused, new = (new_upload_id(30, "ann") for _ in range(3))
    paths = [keep(store, used, 2 * DAY), keep(store, unused, 2 * DAY), keep(store, new, DAY / 2)]
    records.add(FileRecord(used, "a", "text/csv", 4, None, int(time.time()), complete=True), 100)
    assert Sweeper(store, records, DAY).sweep() == 1
    assert [path.exists() for path in paths] == [True, False, True]


def test_what_was_begun_and_left_goes_and_what_goes_on_stays(
    store: FolderStore, records: FileRecords
) -> None:
    left, going_on = (Upload(key_of(new_upload_id(1, "ann")), "text/csv", 5) for _ in range(2))
    for upload in (left, going_on):
        store.begin(upload)
    half = store.folder / ".new" / "half"
    half.parent.mkdir()
    half.write_text("half")
    long_ago = (0, time.time() - 2 * DAY)
    os.utime(store._parts(left.key), long_ago)
    os.utime(half, long_ago)
    Sweeper(store, records, DAY).sweep()
    assert not store._parts(left.key).exists() and store._parts(going_on.key).exists()
    assert not half.exists()


def test_empty_folders_go_and_come_back(store: FolderStore, records: FileRecords) -> None:
    path = keep(store, result(1), 3 * DAY)
    for folder in (path.parent, path.parent.parent):
        os.utime(folder, (0, time.time() - 3 * DAY))
    Sweeper(store, records, DAY).sweep()  # changes the folder in which the file was
    os.utime(path.parent, (0, time.time() - 3 * DAY))
    Sweeper(store, records, DAY).sweep()
    assert not path.parent.exists()


def test_a_copys_time_begins_when_it_is_made(store: FolderStore, records: FileRecords) -> None:
    first = new_upload_id(1, "ann")
    keep(store, first, DAY)
    store.copy(key_of(first), key_of(moved(first, 7)))
    [changed] = [changed for key, changed in store.kept() if key.startswith("d7/")]
    assert time.time() - changed < HOUR


def test_what_is_no_file_of_ours_is_left(store: FolderStore, records: FileRecords) -> None:
    strange = store.folder / "d1" / "notes.txt"
    strange.parent.mkdir(parents=True)
    strange.write_text("mine")
    os.utime(strange, (0, 0))
    assert Sweeper(store, records, DAY).sweep() == 0 and strange.exists()


def test_it_goes_on_after_redis_was_away(store: FolderStore, client: redis.Redis, keys: Keys) -> None:
    away = FileRecords(redis.Redis(unix_socket_path="/nowhere.sock"), keys)
    keep(store, new_upload_id(30, "ann"), 2 * DAY)
    turns = iter([False, True])
    Sweeper(store, away, DAY).run(lambda: next(turns))
    assert next(turns, None) is None
