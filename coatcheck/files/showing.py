"""The files of a job as documents show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from coatcheck.files.ids import owner_of
from coatcheck.files.info import FileInfo, read_info
from coatcheck.files.places import replaced
from coatcheck.job import Job

Link = Callable[[FileInfo], Mapping[str, str]]
"""What makes the link of a file, and says when that dies."""
NO_LINK = {"url": None, "expires_at": None}


def job_files(job: Job, link: Link | None) -> dict[str, Any]:
    """The parts of a job's document that may have files. Takes what makes links; None: they have none.

    Links are for files of the job's owner in its arguments, and in its result for its own only: a result is
    whatever a task returns, which may be what somebody else gave it.
    """
    owner = owner_of(job.owner)
    return {
        "arguments": replaced(job.arguments, lambda _, value: _shown(value, link, owner)),
        "result": replaced(job.result, lambda _, value: _shown(value, link, owner, job.id)),
        "result_file": job.result_file and _shown(job.result_file.document(), link, owner, job.id),
    }


def shown(info: FileInfo, link: Link | None) -> dict[str, Any]:
    """A file, with a link if there is what makes one."""
    return {**info.document(), **(link(info) if link else NO_LINK)}


def _shown(value: Mapping[str, Any], link: Link | None, owner: str, job_id: str | None = None) -> Any:
    info = read_info(value)
    if info is None:
        return value
    place = info.place
    return shown(info, link if place.owner == owner and job_id in (None, place.job) else None)
