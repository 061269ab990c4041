"""What Redis knows of uploaded files, and the ids that say the rest."""

from __future__ import annotations

import pytest
import redis

from coatcheck.errors import FileInUseError, UnknownFileError
from coatcheck.files.ids import (
    CLASSES,
    DAY,
    FileId,
    days_for,
    key_of,
    moved,
    new_upload_id,
    owner_of,
    read_id,
    result_id,
)
from coatcheck.files.records import FileRecord, FileRecords
from coatcheck.job import new_job_id
from coatcheck.keys import Keys

NOW = 1_800_000_000


@pytest.fixture
def records(client: redis.Redis, keys: Keys) -> FileRecords:
    return FileRecords(client, keys)


def record(**changed: object) -> FileRecord:
    fields = {
        "id": new_upload_id(30, "ann"),
        "name": "ü.csv",
        "type": "text/csv",
        "size": 5,
        "sha256": None,
        "part_size": None,
        "token": "",
        "created_at": NOW,
    }
    return FileRecord(**fields | changed)  # type: ignore[arg-type]


def test_an_id_says_whose_a_file_is_and_how_long_it_may_stay() -> None:
    upload, job = new_upload_id(7, "ann"), new_job_id()
    result = result_id(30, None, job, "0123456789abcdef", 2)
    assert read_id(upload) == FileId(7, owner_of("ann"), None)
    assert read_id(result) == FileId(30, owner_of(None), job)
    assert key_of(result) == f"d30/{owner_of(None)}/{job}/0123456789abcdef/2"
    assert owner_of("ann") != owner_of("ben") != owner_of(None) == owner_of("")
    assert read_id(moved(upload, 365)) == FileId(365, owner_of("ann"), None)
    assert len({new_upload_id(1, "ann") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "text",
    ["", "d1", "../../x", "d2.a.b", None, 5, {}, "d1/../x"],
)
def test_nothing_else_is_an_id(text: object) -> None:
    assert read_id(text) is None


def test_neither_a_jobs_id_nor_one_with_more_behind_it_is_an_id() -> None:
    upload = new_upload_id(1, "ann")
    for text in (new_job_id(), f"{upload}\n", f"{upload}.0123456789abcdef", f"{upload}.1", upload.upper()):
        assert read_id(text) is None


def test_a_time_has_the_fewest_days_that_cover_it() -> None:
    assert [days_for(days * DAY) for days in CLASSES] == list(CLASSES)
    assert (days_for(1), days_for(DAY + 1), days_for(31 * DAY), days_for(800 * DAY)) == (1, 7, 365, 365)


def test_a_record_is_kept_for_its_time(records: FileRecords, client: redis.Redis, keys: Keys) -> None:
    added = record()
    records.add(added, 100)
    assert records.get(added.id) == added
    assert 0 < client.ttl(keys.file(added.id)) <= 100
    completed = record(id=added.id, complete=True, sha256="a" * 64)
    assert records.complete(record(id=added.id, sha256="a" * 64)) == completed
    assert records.get(added.id) == completed
    assert 0 < client.ttl(keys.file(added.id)) <= 100


def test_a_file_that_is_completed_twice_stays_in_use(records: FileRecords) -> None:
    looked = record()
    records.add(looked, 100)
    assert records.use([records.complete(looked)], NOW)
    assert records.complete(looked).used  # a second request, which looked when the file was not whole yet
    with pytest.raises(FileInUseError):
        records.remove(looked.id)


def test_a_record_that_is_gone_does_not_come_back(records: FileRecords) -> None:
    with pytest.raises(UnknownFileError):
        records.complete(record())
    assert records.use([record()], NOW) is False


def test_many_records_come_together_and_what_is_none_is_none(
    records: FileRecords, client: redis.Redis, keys: Keys
) -> None:
    kept, damaged = record(), new_upload_id(1, "ann")
    records.add(kept, 100)
    for text in ("x", "{}", "[]"):
        client.set(keys.file(damaged), text)
        assert records.get_many([new_upload_id(1, "ann"), kept.id, "x", damaged]) == [None, kept, None, None]
    assert records.get_many(["x"]) == [None]


def test_a_file_that_a_job_uses_is_known_as_long_as_it_is_kept(
    records: FileRecords, client: redis.Redis, keys: Keys
) -> None:
    first, second = record(), record(id=new_upload_id(1, "ann"))
    for each in (first, second):
        records.add(each, 100)
    assert records.use([first, second], NOW + DAY // 2)
    assert client.ttl(keys.file(first.id)) == pytest.approx(29.5 * DAY, abs=60)
    assert client.ttl(keys.file(second.id)) == pytest.approx(DAY / 2, abs=60)
    with pytest.raises(FileInUseError):
        records.remove(first.id)
    assert records.get(first.id) == record(id=first.id, used=True)


def test_a_record_is_removed_once(records: FileRecords) -> None:
    added = record()
    records.add(added, 100)
    assert records.remove(added.id) == added
    assert records.remove(added.id) is None
