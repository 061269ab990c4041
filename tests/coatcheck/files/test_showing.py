"""The files of a job as documents and callbacks show them."""

from __future__ import annotations

from typing import Any

import pytest

from coatcheck.document import job_fields
from coatcheck.files.ids import new_upload_id, result_id
from coatcheck.files.info import FileInfo
from coatcheck.job import Job, JobStatus, new_job_id, utcnow

RUN = "0123456789abcdef"
DEAD = {"url": None, "expires_at": None}


def info(file_id: str) -> FileInfo:
    return FileInfo(file_id, "a.csv", "text/csv", 8, None)


def link(file: FileInfo) -> dict[str, str]:
    return {"url": f"/files/{file.key}", "expires_at": "2026-11-25T10:00:00.000000Z"}


def job(job_id: str, **more: Any) -> Job:
    """A job of Ann's that has finished."""
    fields = {"arguments": {}, "created_at": utcnow(), "owner": "ann", "files": True, **more}
    return Job(job_id, "a.b", "default", JobStatus.FINISHED, **fields)


def test_a_callback_tells_of_files_without_links() -> None:
    table, job_id = info(new_upload_id(30, "ann")), new_job_id()
    plot = info(result_id(1, "ann", job_id, RUN, 1))
    told = job(job_id, arguments={"table": table.document()}, result=[plot.document()])
    fields = job_fields(told)
    assert fields["arguments"] == {"table": {**table.document(), **DEAD}}
    assert fields["result"] == [{**plot.document(), **DEAD}] and fields["result_file"] is None
    shown = job_fields(told, link)
    assert shown["arguments"]["table"]["url"] == f"/files/{table.key}"
    assert shown["result"][0]["url"] == f"/files/{plot.key}"


def test_a_large_result_is_told_as_its_file() -> None:
    job_id = new_job_id()
    file = info(result_id(1, "ann", job_id, RUN, 1))
    told = job(job_id, result_file=file)
    assert job_fields(told)["result_file"] == {**file.document(), **DEAD}
    assert job_fields(told, link)["result_file"]["url"] == f"/files/{file.key}"


@pytest.mark.parametrize("owner", ["ben", None])
def test_arguments_have_links_to_files_of_the_jobs_owner_only(owner: str | None) -> None:
    table = info(new_upload_id(30, owner)).document()
    told = job(new_job_id(), arguments={"table": table})
    assert job_fields(told, link)["arguments"]["table"] == {**table, **DEAD}


def test_a_job_without_files_is_not_looked_through() -> None:
    told = job(new_job_id(), arguments={"a": {"$file": "x"}}, files=False)
    assert job_fields(told, link)["arguments"] == {"a": {"$file": "x"}}
