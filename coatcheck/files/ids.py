"""What a file is known by: its id tells whose it is, how long it may stay, and where it lies.

``d7.<owner>.<36 characters>`` is an uploaded file, ``d7.<owner>.<job>.<run>.<number>`` a job's result.
Like a job's id it can't be guessed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from coatcheck.job import JOB_ID, new_job_id

DAY = 24 * 3600
CLASSES = (1, 7, 30, 365)
"""Days that files are kept. A store ends them by the first step of their keys, which says how long."""
FILE_ID = re.compile(
    rf"d(?P<days>{'|'.join(map(str, CLASSES))})\.(?P<owner>[0-9a-f]{{24}})\.(?P<name>{JOB_ID.pattern})"
    r"(?:\.(?P<run>[0-9a-f]{16})\.(?P<number>[0-9]{1,6}))?",
    re.ASCII,
)
ANY_FILE_ID = re.sub(r"\?P<\w+>", "?:", FILE_ID.pattern)
"""The pattern of an id, as JSON Schema takes it."""


@dataclass(frozen=True, slots=True)
class FileId:
    """An id, taken apart. ``job`` is whose result it is, None for an uploaded file."""

    days: int
    owner: str
    job: str | None


def read_id(text: object) -> FileId | None:
    """What an id says; None: it is none. Nothing else is ever made a key of a store."""
    match = FILE_ID.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    return FileId(int(match["days"]), match["owner"], match["name"] if match["run"] else None)


def key_of(file_id: str) -> str:
    """Where a file lies in its store. Takes a valid id."""
    return file_id.replace(".", "/")


def days_for(seconds: float) -> int:
    """The fewest days of CLASSES that cover a time, or the most that there are."""
    return next((days for days in CLASSES if days * DAY >= seconds), CLASSES[-1])


def longer_class(days: int, seconds: float) -> int | None:
    """The fewest days of CLASSES that cover a time and are more than these; None: there are none."""
    return next((more for more in CLASSES if more > days and more * DAY >= seconds), None)


def new_upload_id(days: int, owner: str | None) -> str:
    """The id of a file that is to be uploaded by an owner."""
    return f"d{days}.{owner_of(owner)}.{new_job_id()}"


def moved(file_id: str, days: int) -> str:
    """The id of the same file where it stays for so many days."""
    return f"d{days}.{file_id.partition('.')[2]}"


def result_id(days: int, owner: str | None, job_id: str, execution: str, number: int) -> str:
    """The id of a file that a run of a job returned: another run's is another file."""
    return f"d{days}.{owner_of(owner)}.{job_id}.{execution}.{number}"


def owner_of(owner: str | None) -> str:
    """What stands for an owner in ids: a name may hold anything. None: nobody's."""
    return hashlib.sha256(f"coatcheck files of {owner or ''}".encode()).hexdigest()[:24]
