"""Files in a folder: what lies there is whole, and links open what they say and nothing else."""

from __future__ import annotations

import hashlib
import io
import os
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from coatcheck.errors import (
    ExpiredLinkError,
    FileMismatchError,
    FilesUnavailableError,
    InvalidLinkError,
    UnknownFileError,
    UploadIncompleteError,
)
from coatcheck.files.folder import FolderStore
from coatcheck.files.ids import key_of, new_upload_id
from coatcheck.files.store import Part, PartLink, Stored, Upload

NOW = 1_800_000_000
UNTIL = NOW + 900
TEXT = b"a,b\n1,2\n"


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> FolderStore:
    return FolderStore(tmp_path / "files", clock)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def upload_of(data: bytes, part_size: int | None = None, told: str | None = None) -> Upload:
    return Upload(key_of(new_upload_id(1, "ann")), "text/csv", len(data), part_size, told)


def send(store: FolderStore, link: PartLink, data: bytes) -> None:
    store.receive(link.url, io.BytesIO(data), len(data), link.headers.get("Content-Type", ""))


def begun(store: FolderStore, upload: Upload) -> list[PartLink]:
    return store.part_links(store.begin(upload), range(1, upload.count + 1), UNTIL)


def sent(store: FolderStore, data: bytes, part_size: int | None = None, told: str | None = None) -> Upload:
    upload = upload_of(data, part_size, told)
    for link in begun(store, upload):
        start = (link.number - 1) * (part_size or 0)
        send(store, link, data[start : start + link.size])
    return upload


def content(store: FolderStore, key: str) -> bytes:
    with store.open(key) as file:
        return file.read()


def left(store: FolderStore) -> list[str]:
    """Every file in the folder but the secret."""
    return [path.name for path in store.folder.rglob("*") if path.is_file() and path.name != ".secret"]


@pytest.mark.parametrize("data", [TEXT, b""])
def test_a_file_in_one_part_is_what_was_sent(store: FolderStore, data: bytes) -> None:
    upload = sent(store, data, told=sha256(data))
    assert store.complete(upload, []) == Stored(len(data), sha256(data))
    assert content(store, upload.key) == data
    assert store.head(upload.key) == Stored(len(data))


def test_parts_are_put_together_in_their_order_whatever_the_order_they_came_in(store: FolderStore) -> None:
    data = bytes(range(256))
    upload = upload_of(data, 100)
    links = begun(store, upload)
    assert [(link.number, link.size) for link in links] == [(1, 100), (2, 100), (3, 56)]
    for link in reversed(links):
        send(store, link, data[(link.number - 1) * 100 :][: link.size])
    assert [part.number for part in store.arrived(upload)] == [1, 2, 3]
    assert store.complete(upload, [Part(2, 100, sha256(data[100:200]))]) == Stored(256, sha256(data))
    assert content(store, upload.key) == data
    assert len(left(store)) == 1


def test_a_completed_upload_is_completed_again_with_the_same_answer(store: FolderStore) -> None:
    upload = sent(store, TEXT, 5)
    assert store.complete(upload, []) == store.complete(upload, []) == Stored(len(TEXT), sha256(TEXT))


def test_parts_that_are_missing_are_named(store: FolderStore) -> None:
    data = bytes(250)
    upload = upload_of(data, 100)
    first, _, last = begun(store, upload)
    send(store, last, data[200:])
    with pytest.raises(UploadIncompleteError) as refused:
        store.complete(upload, [])
    assert [error.pointer for error in refused.value.errors] == ["/parts/1", "/parts/2"]
    send(store, first, data[:100])
    assert [part.number for part in store.arrived(upload)] == [1, 3]


def test_a_part_that_is_cut_leaves_nothing_and_can_be_sent_again(store: FolderStore) -> None:
    upload = upload_of(TEXT)
    [link] = begun(store, upload)
    with pytest.raises(FileMismatchError, match="ended before"):
        store.receive(link.url, io.BytesIO(TEXT[:5]), len(TEXT), "text/csv")
    assert store.arrived(upload) == [] and left(store) == []
    send(store, link, TEXT)
    assert store.complete(upload, []).size == len(TEXT)


def test_a_part_of_another_length_or_type_is_refused(store: FolderStore) -> None:
    upload = upload_of(TEXT)
    [link] = begun(store, upload)
    with pytest.raises(FileMismatchError, match="8 bytes, not 9"):
        store.receive(link.url, io.BytesIO(TEXT + b"x"), len(TEXT) + 1, "text/csv")
    with pytest.raises(FileMismatchError, match="'text/csv', not 'text/html'"):
        store.receive(link.url, io.BytesIO(TEXT), len(TEXT), "text/html")
    assert store.arrived(upload) == []


def test_a_file_with_another_checksum_than_was_told_is_refused_as_it_comes(store: FolderStore) -> None:
    upload = upload_of(TEXT, told=sha256(b"other"))
    [link] = begun(store, upload)
    with pytest.raises(FileMismatchError, match="SHA-256"):
        send(store, link, TEXT)
    assert store.arrived(upload) == [] and left(store) == []


def test_parts_that_make_another_file_than_was_told_are_thrown_away(store: FolderStore) -> None:
    upload = sent(store, TEXT, 5, told=sha256(b"other"))
    with pytest.raises(FileMismatchError, match="SHA-256"):
        store.complete(upload, [])
    assert store.head(upload.key) is None and left(store) == []


def test_a_copy_that_is_made_again_is_as_old_as_a_new_one(store: FolderStore) -> None:
    key, to = key_of(new_upload_id(1, "ann")), key_of(new_upload_id(30, "ann"))
    store.write(key, io.BytesIO(TEXT), kind="a/b", size=len(TEXT), sha256=sha256(TEXT))
    store.copy(key, to)
    os.utime(store.folder / to, (1, 1))
    store.copy(key, to)
    assert dict(store.kept())[to] == pytest.approx(time.time(), abs=60)


def test_a_part_with_another_checksum_than_the_client_says_is_thrown_away_alone(store: FolderStore) -> None:
    upload = sent(store, TEXT, 5)
    with pytest.raises(FileMismatchError, match="1 of 2 parts"):
        store.complete(upload, [Part(2, 3, sha256(b"other"))])
    assert [part.number for part in store.arrived(upload)] == [1]


def test_a_part_that_is_sent_twice_counts_as_it_came_last(store: FolderStore) -> None:
    upload = upload_of(TEXT, 5)
    first, last = begun(store, upload)
    for data in (b"01234", b"a,b\n1"):
        send(store, first, data)
    send(store, last, TEXT[5:])
    assert store.complete(upload, []).sha256 == sha256(TEXT)


def test_nothing_is_taken_for_an_upload_that_is_over(store: FolderStore) -> None:
    upload = sent(store, TEXT)
    [link] = store.part_links(upload, [1], UNTIL)
    store.complete(upload, [])
    with pytest.raises(UnknownFileError):
        send(store, link, TEXT)
    assert content(store, upload.key) == TEXT


def test_an_upload_that_is_given_up_leaves_nothing(store: FolderStore) -> None:
    upload = sent(store, TEXT, 5)
    store.abort(upload)
    store.abort(upload)
    assert left(store) == []
    with pytest.raises(UploadIncompleteError):
        store.complete(upload, [])


def test_a_link_for_downloads_opens_the_file_until_its_time_is_over(store: FolderStore, clock: Clock) -> None:
    upload = sent(store, TEXT)
    store.complete(upload, [])
    link = store.download_link(upload.key, name="übung 1.csv", kind="text/csv", since=NOW, until=UNTIL)
    assert link == store.download_link(
        upload.key, name="übung 1.csv", kind="text/csv", since=NOW, until=UNTIL
    )
    file, name, kind = store.find(link)
    with file:
        assert (file.read(), name, kind) == (TEXT, "übung 1.csv", "text/csv")
    clock.now = UNTIL
    with pytest.raises(ExpiredLinkError):
        store.find(link)


def test_a_link_outlives_a_restart(store: FolderStore, clock: Clock) -> None:
    upload = sent(store, TEXT)
    store.complete(upload, [])
    link = store.download_link(upload.key, name="a", kind="text/csv", since=NOW, until=UNTIL)
    file, name, _ = FolderStore(store.folder, clock).find(link)
    file.close()
    assert name == "a"


def test_nothing_of_a_link_can_be_changed(store: FolderStore) -> None:
    upload = sent(store, TEXT, 5)
    links = [store.part_links(upload, [1], UNTIL)[0].url]
    store.complete(upload, [])
    links.append(store.download_link(upload.key, name="a", kind="text/csv", since=NOW, until=UNTIL))
    for method, link in zip(("PUT", "GET"), links, strict=True):
        store._links.check(method, link, NOW)
        path, pairs = urlsplit(link).path, parse_qsl(urlsplit(link).query)
        changed = [f"{path}x?{urlencode(pairs)}", path, f"{path}?", f"{link}&more=1", f"{link}&expires=1"]
        for index, (name, value) in enumerate(pairs):
            for other in ([(name, value + "1")], [(name, "")], [(f"x{name}", value)], []):
                changed.append(f"{path}?{urlencode(pairs[:index] + other + pairs[index + 1 :])}")
        for text in changed:
            with pytest.raises(InvalidLinkError):
                store._links.check(method, text, NOW)
        with pytest.raises(InvalidLinkError):
            store._links.check("DELETE", link, NOW)


@pytest.mark.parametrize("link", ["/files/../../etc/passwd", "/files/.secret?signature=", "/files/d1/é?s=ü"])
def test_a_link_that_nobody_signed_opens_nothing(store: FolderStore, link: str) -> None:
    with pytest.raises(InvalidLinkError):
        store.find(link)


def test_a_result_is_kept_under_its_key_or_not_at_all(store: FolderStore) -> None:
    store.write("d1/x/y", io.BytesIO(TEXT), kind="text/csv", size=len(TEXT), sha256=sha256(TEXT))
    assert content(store, "d1/x/y") == TEXT
    for size, digest in ((len(TEXT) + 1, sha256(TEXT)), (len(TEXT), sha256(b"other"))):
        with pytest.raises(FileMismatchError):
            store.write("d1/x/z", io.BytesIO(TEXT), kind="text/csv", size=size, sha256=digest)
    assert store.head("d1/x/z") is None and left(store) == ["y"]


def test_a_copy_stays_when_the_first_one_goes(store: FolderStore) -> None:
    store.write("d1/x/y", io.BytesIO(TEXT), kind="text/csv", size=len(TEXT), sha256=sha256(TEXT))
    store.copy("d1/x/y", "d7/x/y")
    store.copy("d1/x/y", "d7/x/y")
    store.delete("d1/x/y")
    store.delete("d1/x/y")
    assert content(store, "d7/x/y") == TEXT
    with pytest.raises(FileNotFoundError):
        store.copy("d1/x/y", "d30/x/y")
    with pytest.raises(FileNotFoundError):
        store.open("d1/x/y")


def test_only_its_user_may_look_into_the_folder(store: FolderStore) -> None:
    store.complete(sent(store, TEXT), [])
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert (store.folder / ".secret").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_can_not_be_used_is_no_defect(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FolderStore(tmp_path / "file" / "files")
    with pytest.raises(FilesUnavailableError) as refused:
        store.begin(upload_of(TEXT))
    assert refused.value.headers["Retry-After"]
