"""Files in tasks: what a client has sent comes to a task, what it returns is kept, nothing is left over."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coatcheck.adapter import QueueAdapter
from coatcheck.files.folder import FolderStore
from coatcheck.files.ids import DAY, new_upload_id, read_id
from coatcheck.files.info import FileInfo, read_info
from coatcheck.job import Job, JobStatus
from coatcheck.settings import Settings
from tests.support.polling import eventually
from tests.support.processes import PoolProcess
from tests.worker_image.test_running import StartPool, Submit, ended

TEXT = b"a,b\n1,2\n"


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with files in a folder."""
    return replace(settings, files=(tmp_path / "files").as_uri())


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "files")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the workers have their temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def pool(start_pool: StartPool, settings: Settings, scratch: Path) -> PoolProcess:
    return start_pool(COATCHECK_FILES=settings.files, COATCHECK_INLINE_RESULT="2000", TMPDIR=str(scratch))


Keep = Callable[..., dict[str, Any]]


@pytest.fixture
def keep(store: FolderStore) -> Keep:
    """Keeps a file as if it had been uploaded; returns what stands in a job's arguments."""

    def keep(
        data: bytes = TEXT, name: str = "a.csv", owner: str | None = None, **told: Any
    ) -> dict[str, Any]:
        sha256 = hashlib.sha256(data).hexdigest()
        info = FileInfo(new_upload_id(30, owner), name, "text/csv", len(data), sha256)
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            store.write(info.key, file, kind=info.type, size=info.size, sha256=sha256)
        return info.document() | told

    return keep


@pytest.fixture
def finish(pool: PoolProcess, adapter: QueueAdapter, submit: Submit) -> Submit:
    """Submits a job with files and returns how it ended."""

    def finish(task: str, arguments: dict[str, object] | None = None, **options: object) -> Job:
        return ended(adapter, submit(task, arguments, **options))

    return finish


def content(store: FolderStore, value: Any, job: Job) -> bytes:
    """The bytes of a file in a result, which is the job's own."""
    info = read_info(value)
    assert info is not None and info.place.job == job.id, value
    with store.open(info.key) as file:
        data = file.read()
    assert (info.size, info.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return data


def left(scratch: Path) -> list[Path]:
    return [path for path in scratch.rglob("*") if path.is_file()]


def test_a_file_comes_to_the_task_with_all_that_is_known_of_it(
    finish: Submit, keep: Keep, scratch: Path
) -> None:
    job = finish("filed.look", {"table": keep(name="übung 1.csv")})
    assert job.status is JobStatus.FINISHED, job.error
    sha256 = hashlib.sha256(TEXT).hexdigest()
    path = Path(job.result.pop("path"))
    assert job.result == {
        "name": "übung 1.csv", "type": "text/csv", "told": [8, sha256], "found": [8, sha256], "same": True
    }  # fmt: skip
    assert path.name == "übung 1.csv" and path.is_relative_to(scratch)
    assert not path.exists() and left(scratch) == []


@pytest.mark.parametrize(
    "told", [{"sha256": "0" * 64}, {"size": 7}, {"size": 9}, {"size": 9, "sha256": None}]
)
def test_what_is_not_what_was_uploaded_never_comes_to_the_task(
    finish: Submit, keep: Keep, scratch: Path, told: dict[str, Any]
) -> None:
    job = finish("filed.look", {"table": keep(**told)})
    assert job.status is JobStatus.FAILED and job.error is not None
    assert job.error.type == "FileError" and "not what was uploaded" in job.error.message
    assert left(scratch) == []


def test_a_file_that_is_not_kept_any_more_fails_who_asks_for_its_bytes(
    finish: Submit, keep: Keep, store: FolderStore
) -> None:
    table = keep()
    store.delete(FileInfo(table["$file"], "", "", 0, None).key)
    failed = finish("filed.look", {"table": table})
    assert failed.error is not None and failed.error.type == "FileError"
    assert failed.error.message == (
        "a.csv is not kept any more: its 30 days are over, or it was deleted."
        " To go on, upload it again and submit a new job with it."
    )
    assert finish("filed.unread", {"table": table}).result == "a.csv"


def test_another_owners_file_is_not_given(finish: Submit, keep: Keep) -> None:
    job = finish("filed.look", {"table": keep(owner="ben")}, owner="ann")
    assert job.error is not None and job.error.type == "ArgumentsError"
    assert "another owner's" in job.error.message
    assert finish("filed.look", {"table": keep(owner="ann")}, owner="ann").status is JobStatus.FINISHED


def test_a_worker_checks_the_rules_too(finish: Submit, keep: Keep) -> None:
    assert finish("filed.picky", {"table": keep()}).result == 8
    for wrong, words in ((keep(TEXT * 2), "at most 10 bytes"), (keep(type="text/html"), "of type text/csv")):
        job = finish("filed.picky", {"table": wrong})
        assert job.error is not None and job.error.type == "ArgumentsError" and words in job.error.message


@pytest.mark.parametrize("value", [{"$file": "x"}, {}, "x", None, {"$file": None}])
def test_what_is_no_file_does_not_fit(finish: Submit, value: object) -> None:
    job = finish("filed.look", {"table": value})
    assert job.error is not None and job.error.type == "ArgumentsError"


def test_files_stand_anywhere_in_the_arguments(finish: Submit, keep: Keep) -> None:
    job = finish("filed.many", {"tables": [keep(), None], "by_name": {"x": keep(name="b")}})
    assert job.result == [[8, None], {"x": "b"}]


def test_a_returned_file_is_kept_under_its_job(
    finish: Submit, keep: Keep, store: FolderStore, scratch: Path
) -> None:
    job = finish("filed.copy", {"table": keep(), "name": "mine.csv"}, result_ttl=2 * DAY)
    assert content(store, job.result, job) == TEXT
    assert (job.result["name"], job.result["type"]) == ("mine.csv", "text/csv")
    place = read_id(job.result["$file"])
    assert place is not None and place.days == 7
    assert job.files and left(scratch) == []


def test_what_a_task_was_given_it_returns_as_a_copy_of_its_own(
    finish: Submit, keep: Keep, store: FolderStore
) -> None:
    table = keep()
    job = finish("filed.same", {"table": table})
    assert content(store, job.result, job) == TEXT
    assert job.result["$file"] != table["$file"] and job.result["name"] == "a.csv"


def test_files_stand_anywhere_in_a_result_and_each_is_kept_once(finish: Submit, store: FolderStore) -> None:
    job = finish("filed.plots", {"texts": ["a", "b", ""]})
    model = job.result["model"]
    assert [content(store, value, job) for value in (model["first"], *model["others"])] == [b"a", b"b", b""]
    assert job.result["again"] == model["first"]
    assert len([path for path in store.folder.rglob("*") if path.is_file()]) == 3


def test_a_file_whose_folder_is_gone_fails_the_job_and_says_why(finish: Submit) -> None:
    job = finish("filed.gone")
    assert job.error is not None and job.error.type == "FileError"
    assert "is its folder gone?" in job.error.message


@pytest.mark.parametrize("task", ["filed.rows", "filed.numbers"])
def test_a_large_result_becomes_a_file(finish: Submit, store: FolderStore, task: str) -> None:
    small, large = finish(task, {"count": 100}), finish(task, {"count": 500_000})
    assert small.result == [*range(100)] and small.result_file is None
    assert large.status is JobStatus.FINISHED, large.error
    assert large.result is None and large.result_file is not None
    assert (large.result_file.name, large.result_file.type) == ("result.json", "application/json")
    assert json.loads(content(store, large.result_file.document(), large)) == [*range(500_000)]


def test_async_tasks_have_files_beside_each_other(
    pool: PoolProcess, submit: Submit, adapter: QueueAdapter, keep: Keep, store: FolderStore, scratch: Path
) -> None:
    jobs = [submit("filed.beside", {"table": keep(f"text {n}".encode())}) for n in range(8)]
    for number, job in enumerate(ended(adapter, job) for job in jobs):
        assert content(store, job.result, job) == f"TEXT {number}".encode()
    eventually(lambda: left(scratch) == [])


def test_each_run_keeps_its_own_files(
    pool: PoolProcess, submit: Submit, adapter: QueueAdapter, keep: Keep, store: FolderStore
) -> None:
    """A run that has lost its job can't write what a newer one has written."""
    results = []
    for _ in range(2):
        job = ended(adapter, submit("filed.copy", {"table": keep()}))
        results.append(job.result["$file"].split("."))
    runs = [result[3] for result in results]
    assert runs[0] != runs[1] and all(len(run) == 16 for run in runs)


def test_what_a_killed_process_fetched_is_deleted_by_the_next_one(
    pool: PoolProcess, submit: Submit, adapter: QueueAdapter, keep: Keep, scratch: Path
) -> None:
    job = submit("filed.killed", {"table": keep()}, retries=3)
    done = ended(adapter, job)
    assert done.status is JobStatus.FINISHED, done.error
    printed = {
        Path(line).parent.parent.parent
        for line in adapter.log(job.id).text.splitlines()
        if line.startswith("/")
    }
    assert len(printed) == 2, "two processes have fetched it"
    eventually(lambda: left(scratch) == [])


def test_a_task_that_is_stopped_leaves_nothing(
    pool: PoolProcess, submit: Submit, adapter: QueueAdapter, keep: Keep, scratch: Path
) -> None:
    job = submit("filed.slow", {"table": keep(), "seconds": 60})
    eventually(lambda: left(scratch))
    adapter.cancel(job.id)
    assert ended(adapter, job).status is JobStatus.STOPPED
    assert ended(adapter, submit("filed.unread", {"table": keep()})).status is JobStatus.FINISHED
    eventually(lambda: left(scratch) == [])


def test_a_result_that_only_looks_like_a_file_is_left_as_it_is(finish: Submit, keep: Keep) -> None:
    foreign = keep()
    assert finish("filed.forged", {"value": foreign}).result == foreign


def test_without_a_place_for_files_a_task_is_told_so(
    start_pool: StartPool, submit: Submit, adapter: QueueAdapter, keep: Keep
) -> None:
    start_pool(COATCHECK_FILES="")
    for task, arguments in (("filed.look", {"table": keep()}), ("filed.plots", {"texts": ["a"]})):
        job = ended(adapter, submit(task, arguments))
        assert (
            job.error is not None and job.error.type == "FileError" and "COATCHECK_FILES" in job.error.message
        )
    assert ended(adapter, submit("filed.unread", {"table": keep()})).result == "a.csv"
    large = ended(adapter, submit("filed.rows", {"count": 500_000}))
    assert large.error is not None and large.error.type == "ResultError"


@pytest.mark.parametrize("task", ["filed.total", "filed.atotal"])
def test_a_large_result_is_the_argument_of_the_next_job(
    finish: Submit, submit: Submit, adapter: QueueAdapter, store: FolderStore, scratch: Path, task: str
) -> None:
    first = finish("filed.rows", {"count": 100_000})
    arguments = {"numbers": {"$result": first.id}, "last": {"$result": first.id, "pointer": "/99999"}}
    second = finish(task, arguments, after=(first.id,))
    assert second.result == [sum(range(100_000)), 99_999], second.error
    assert second.arguments == arguments
    missing = {"numbers": {"$result": first.id, "pointer": "/rows"}}
    unfit = finish(task, missing, after=(first.id,))
    assert unfit.error is not None and unfit.error.type == "ArgumentsError", unfit.error
    assert "/numbers" in unfit.error.message
    assert first.result_file is not None
    store.delete(first.result_file.key)
    gone = finish(task, arguments, after=(first.id,))
    assert gone.error is not None and gone.error.type == "MissingResult", gone.error
    eventually(lambda: left(scratch) == [])


def test_a_returned_file_is_the_argument_of_the_next_job(
    finish: Submit, keep: Keep, store: FolderStore
) -> None:
    first = finish("filed.plots", {"texts": ["a", "b"]})
    place = {"$result": first.id, "pointer": "/model/others/0"}
    second = finish("filed.copy", {"table": place}, after=(first.id,))
    assert second.status is JobStatus.FINISHED, second.error
    assert content(store, second.result, second) == b"b"


def test_files_are_handed_on_to_children_which_are_the_same_however_often_the_parent_runs(
    finish: Submit, keep: Keep, adapter: QueueAdapter, store: FolderStore
) -> None:
    table = keep()
    parent = finish("filed.parent", {"table": table, "again": True}, retries=2)
    assert parent.status is JobStatus.FINISHED, parent.error
    first, second = (ended(adapter, adapter.get(child)) for child in parent.result)
    assert parent.interrupted + parent.attempt > 1 and set(parent.children) == {first.id, second.id}
    assert first.arguments["table"] == table
    assert (content(store, first.result, first), content(store, second.result, second)) == (TEXT, b"made")
