"""What it takes to give jobs their files. What comes of it stands in tests/functions/test_uploads.py."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from coatcheck.errors import UnknownJobError
from coatcheck.files.folder import FolderStore
from coatcheck.files.giving import MAX_ASKED, Giver, Wanted
from coatcheck.files.ids import result_id
from coatcheck.files.info import FileInfo
from coatcheck.files.records import FileRecords
from coatcheck.job import Job, JobStatus, new_job_id
from coatcheck.keys import Keys
from coatcheck.scopes import Access

RUN = "0123456789abcdef"


class Jobs:
    """One job of Ann's that has returned files, and who has looked for which job."""

    def __init__(self, count: int) -> None:
        self.id = new_job_id()
        now = datetime.now(UTC)
        self.files = [
            FileInfo(result_id(365, "ann", self.id, RUN, number), "a.csv", "text/csv", 1, None)
            for number in range(1, count + 1)
        ]
        self.job = Job(self.id, "a.b", "default", JobStatus.FINISHED, {}, now, ended_at=now, owner="ann")
        self.job.result = [file.document() for file in self.files]
        self.looks: list[str] = []

    def find(self, job_id: str, access: Access) -> Job:
        self.looks.append(job_id)
        if job_id != self.id or access.owner != "ann":
            raise UnknownJobError("There is none.")
        return self.job


@pytest.fixture
def jobs() -> Jobs:
    return Jobs(20)


@pytest.fixture
def giver(client: redis.Redis, keys: Keys, tmp_path: Path, jobs: Jobs) -> Giver:
    return Giver(FolderStore(tmp_path), FileRecords(client, keys), jobs.find, time.time)


def wanted(file_ids: list[str]) -> Wanted:
    return Wanted({}, {"files": [{"$file": file_id} for file_id in file_ids]}, "", 60)


def test_a_job_is_looked_at_once_however_many_of_its_files_are_given(giver: Giver, jobs: Jobs) -> None:
    [given], errors = giver.give([wanted([file.id for file in jobs.files])], "ann")
    assert errors == [] and jobs.looks == [jobs.id]
    assert given["files"] == [file.document() for file in jobs.files]


def test_nothing_is_looked_for_when_too_much_is_asked_for(giver: Giver, jobs: Jobs) -> None:
    many = [result_id(1, "ann", new_job_id(), RUN, 1) for _ in range(MAX_ASKED + 1)]
    _, [error] = giver.give([wanted(many)], "ann")
    assert str(MAX_ASKED) in error.detail and jobs.looks == []


def test_only_what_a_job_returned_is_given_of_it(giver: Giver, jobs: Jobs) -> None:
    other = result_id(365, "ann", jobs.id, RUN, 99)
    assert [error.pointer for error in giver.give([wanted([jobs.files[0].id, other])], "ann")[1]] == [
        "/files/1"
    ]
    assert len(giver.give([wanted([jobs.files[0].id])], "ben")[1]) == 1
