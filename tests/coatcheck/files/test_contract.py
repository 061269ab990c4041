"""What every store keeps to: a folder here; S3, as another ``place``, in tests/localstack/test_store.py."""

from __future__ import annotations

import hashlib
import io
import time
from pathlib import Path
from typing import Protocol

import pytest

from coatcheck.errors import CoatcheckError, FileMismatchError, UploadIncompleteError
from coatcheck.files.folder import FolderStore
from coatcheck.files.ids import key_of, new_upload_id
from coatcheck.files.store import Part, PartLink, Store, Stored, Upload

MIB = 1024 * 1024
PART = 5 * MIB
"""S3 takes no smaller part, but for the last one."""
TEXT = b"a,b\n1,2\n"
LARGE = bytes(range(256)) * (12 * MIB // 256) + b"end"


class Place(Protocol):
    """A store, and what its links do when somebody follows them."""

    @property
    def store(self) -> Store:
        """The store."""

    def send(self, link: PartLink, data: bytes, *, kind: str | None = None) -> bool:
        """Send bytes to a link. Returns whether they were taken."""

    def fetch(self, link: str) -> tuple[bytes, str, str] | None:
        """What a link gives: the content, the name to save it under, the type. None: it was refused."""


class InFolder:
    """What the local server does with links, without it."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)

    def send(self, link: PartLink, data: bytes, *, kind: str | None = None) -> bool:
        kind = kind or link.headers.get("Content-Type", "")
        try:
            self.store.receive(link.url, io.BytesIO(data), len(data), kind)
        except CoatcheckError:
            return False
        return True

    def fetch(self, link: str) -> tuple[bytes, str, str] | None:
        try:
            file, name, kind = self.store.find(link)
        except CoatcheckError:
            return None
        with file:
            return file.read(), name, kind


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return InFolder(tmp_path / "files")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def later(seconds: int = 60) -> int:
    return int(time.time()) + seconds


def begun(place: Place, data: bytes, part_size: int | None = None, told: str | None = None) -> Upload:
    upload = Upload(key_of(new_upload_id(1, "ann")), "text/csv", len(data), part_size, told)
    return place.store.begin(upload)


def links(place: Place, upload: Upload) -> list[PartLink]:
    return place.store.part_links(upload, range(1, upload.count + 1), later())


def piece(link: PartLink, data: bytes) -> bytes:
    return data[(link.number - 1) * PART :][: link.size]


def sent(place: Place, data: bytes, part_size: int | None = None, told: str | None = None) -> Upload:
    upload = begun(place, data, part_size, told)
    for link in links(place, upload):
        assert place.send(link, piece(link, data))
    return upload


def content(place: Place, key: str) -> bytes:
    with place.store.open(key) as file:
        return file.read()


def written(place: Place, data: bytes) -> str:
    key = key_of(new_upload_id(7, "ann"))
    place.store.write(key, io.BytesIO(data), kind="text/csv", size=len(data), sha256=sha256(data))
    return key


@pytest.mark.parametrize("data", [TEXT, b""])
@pytest.mark.parametrize("told", [True, False])
def test_a_file_in_one_part_is_what_was_sent(place: Place, data: bytes, told: bool) -> None:
    upload = begun(place, data, told=sha256(data) if told else None)
    assert place.store.arrived(upload) == []
    [link] = links(place, upload)
    assert (link.number, link.size, link.method) == (1, len(data), "PUT")
    assert place.send(link, data)
    assert [(part.number, part.size) for part in place.store.arrived(upload)] == [(1, len(data))]
    stored = place.store.complete(upload, [])
    assert stored.size == len(data) and stored.sha256 in (None, sha256(data))
    assert stored.sha256 or not told, "it was checked as it came"
    assert content(place, upload.key) == data
    found = place.store.head(upload.key)
    assert found is not None and found.size == len(data)


def test_parts_are_put_together_in_their_order_whatever_the_order_they_came_in(place: Place) -> None:
    upload = begun(place, LARGE, PART)
    for link in reversed(links(place, upload)):
        assert place.send(link, piece(link, LARGE))
    assert [part.number for part in place.store.arrived(upload)] == [1, 2, 3]
    assert place.store.complete(upload, [Part(2, PART, sha256(LARGE[PART : 2 * PART]))]).size == len(LARGE)
    assert sha256(content(place, upload.key)) == sha256(LARGE)


@pytest.mark.parametrize("size", [None, PART])
def test_a_completed_upload_is_completed_again_with_the_same_answer(place: Place, size: int | None) -> None:
    upload = sent(place, LARGE if size else TEXT, size, None if size else sha256(TEXT))
    first = place.store.complete(upload, [])
    assert place.store.complete(upload, []).size == first.size


def test_what_is_complete_does_not_change_any_more(place: Place) -> None:
    upload = begun(place, TEXT)
    [link] = links(place, upload)
    assert place.send(link, TEXT)
    place.store.complete(upload, [])
    assert not place.send(link, TEXT[::-1])
    assert content(place, upload.key) == TEXT


def test_parts_that_are_missing_are_named_and_can_be_sent_later(place: Place) -> None:
    upload = begun(place, LARGE, PART)
    first, second, last = links(place, upload)
    assert place.send(last, piece(last, LARGE))
    with pytest.raises(UploadIncompleteError) as refused:
        place.store.complete(upload, [])
    assert [error.pointer for error in refused.value.errors] == ["/parts/1", "/parts/2"]
    for link in (first, second):
        assert place.send(link, piece(link, LARGE))
    assert place.store.complete(upload, []).size == len(LARGE)


def test_a_part_that_a_client_tells_of_and_that_was_never_wanted_is_missing(place: Place) -> None:
    upload = sent(place, TEXT)
    with pytest.raises(UploadIncompleteError) as refused:
        place.store.complete(upload, [Part(1, len(TEXT), sha256(TEXT)), Part(9, 0, sha256(b"other"))])
    assert [error.pointer for error in refused.value.errors] == ["/parts/9"]
    assert place.store.complete(upload, []).size == len(TEXT)


def test_a_part_of_another_length_or_type_is_refused(place: Place) -> None:
    upload = begun(place, TEXT)
    [link] = links(place, upload)
    assert not place.send(link, TEXT + b"x")
    assert not place.send(link, TEXT[:-1])
    assert not place.send(link, TEXT, kind="text/html")
    assert place.store.arrived(upload) == []
    assert place.send(link, TEXT)


def test_a_file_with_another_checksum_than_was_told_is_refused_as_it_comes(place: Place) -> None:
    upload = begun(place, TEXT, told=sha256(TEXT))
    [link] = links(place, upload)
    assert not place.send(link, TEXT[::-1])
    assert place.store.arrived(upload) == []
    assert place.send(link, TEXT)
    with pytest.raises(FileMismatchError):
        place.store.complete(upload, [Part(1, len(TEXT), sha256(b"other"))])


def test_what_was_aborted_takes_nothing_more(place: Place) -> None:
    upload = begun(place, LARGE, PART)
    first, *_ = links(place, upload)
    assert place.send(first, piece(first, LARGE))
    for _ in range(2):
        place.store.abort(upload)
    assert place.store.arrived(upload) == []
    assert not place.send(first, piece(first, LARGE))
    assert place.store.head(upload.key) is None


def test_a_link_gives_the_file_with_its_name_and_type(place: Place) -> None:
    key = written(place, TEXT)
    name = 'übersicht "1"; x.csv'
    link = place.store.download_link(key, name=name, kind="text/csv", since=later(-1), until=later())
    assert place.fetch(link) == (TEXT, name, "text/csv")


def test_the_same_link_is_given_for_the_same_time(place: Place) -> None:
    key, since, until = written(place, TEXT), later(-1), later()
    first, second = (
        place.store.download_link(key, name="a", kind="text/csv", since=since, until=until) for _ in "ab"
    )
    assert first == second


def test_a_link_dies_when_its_time_is_over(place: Place) -> None:
    key, since, until = written(place, TEXT), later(-100), later(-1)
    assert place.fetch(place.store.download_link(key, name="a", kind="a/b", since=since, until=until)) is None
    upload = begun(place, TEXT)
    [link] = place.store.part_links(upload, [1], later(1))
    time.sleep(2.1)
    assert not place.send(link, TEXT)


def test_a_link_is_for_one_file_and_one_method(place: Place) -> None:
    one, other = written(place, TEXT), written(place, b"other")
    link = place.store.download_link(one, name="a", kind="text/csv", since=later(-1), until=later())
    assert place.fetch(link.replace(one, other)) is None
    assert place.fetch(link.replace("csv", "html")) is None
    assert not place.send(PartLink(1, len(TEXT), link), TEXT)


@pytest.mark.parametrize("data", [b"", TEXT, LARGE, LARGE * 2])
def test_what_is_written_is_read(place: Place, data: bytes) -> None:
    key = written(place, data)
    assert sha256(content(place, key)) == sha256(data)
    with place.store.open(key) as file:
        assert file.read(3) == data[:3]


@pytest.mark.parametrize("data", [TEXT, LARGE * 2])
@pytest.mark.parametrize(("size", "checksum"), [(-1, None), (1, None), (0, sha256(b"other"))])
def test_what_changes_while_it_is_written_is_not_kept(
    place: Place, data: bytes, size: int, checksum: str | None
) -> None:
    key = key_of(new_upload_id(7, "ann"))
    told = checksum or sha256(data)
    with pytest.raises(FileMismatchError):
        place.store.write(key, io.BytesIO(data), kind="text/csv", size=len(data) + size, sha256=told)
    assert place.store.head(key) is None


def test_a_copy_stays_when_the_first_is_deleted(place: Place) -> None:
    key, to = written(place, TEXT), key_of(new_upload_id(30, "ann"))
    for _ in range(2):
        place.store.copy(key, to)
    for _ in range(2):
        place.store.delete(key)
    assert place.store.head(key) is None
    assert content(place, to) == TEXT


def test_what_is_not_there_is_told(place: Place) -> None:
    key = key_of(new_upload_id(1, "ann"))
    assert place.store.head(key) is None
    place.store.delete(key)
    with pytest.raises(FileNotFoundError):
        place.store.open(key)
    with pytest.raises(FileNotFoundError):
        place.store.copy(key, key_of(new_upload_id(7, "ann")))
    link = place.store.download_link(key, name="a", kind="text/csv", since=later(-1), until=later())
    assert place.fetch(link) is None


def test_a_stored_file_says_its_size(place: Place) -> None:
    assert place.store.head(written(place, TEXT)) == Stored(len(TEXT))
