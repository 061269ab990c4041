"""Gives jobs the files that their arguments name: those of their owner, for as long as they need them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coatcheck.errors import MAX_ERRORS, FieldError, ForbiddenError, InvalidArgumentsError, UnknownJobError
from coatcheck.files.ids import CLASSES, DAY, longer_class, moved, owner_of, read_id
from coatcheck.files.info import FileInfo, read_info
from coatcheck.files.places import FILE, Path, files_in, replaced
from coatcheck.files.records import FileRecord, FileRecords
from coatcheck.files.rules import schema_fault
from coatcheck.files.store import Store
from coatcheck.job import Job, Submission, utcnow
from coatcheck.json_pointer import pointer_of
from coatcheck.scopes import Access
from coatcheck.settings import Settings

GONE = "is no file of yours: it was never uploaded, is not complete, or its time is over"
MAX_ASKED = 1000
"""Most files that one request may name."""
OFF = "can't be given: this API keeps no files (COATCHECK_FILES)"
TOO_SHORT = "is not kept as long as this job may need it"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Arguments that may name files.

    ``schema`` is the JSON Schema that they fit, ``pointer`` says where they stand in the request's body, and
    ``seconds`` how long from now on their job may need the files.
    """

    schema: Mapping[str, Any]
    arguments: Mapping[str, Any]
    pointer: str
    seconds: float

    @classmethod
    def by(
        cls, submission: Submission, schema: Mapping[str, Any], pointer: str, settings: Settings
    ) -> Wanted:
        """What a job needs: until it has run, and may still be asked for or run again.

        With all its retries, but for those that no file would be kept for.
        """
        delay = 0.0 if submission.at is None else (submission.at - utcnow()).total_seconds()
        once = delay + submission.timeout + max(submission.result_ttl, settings.failure_ttl)
        tries = once + _retrying(submission)
        return cls(schema, submission.arguments, pointer, max(once, min(tries, CLASSES[-1] * DAY)))


class Giver:
    """Takes the store, the records of uploads, what reads a job for whom it may be shown to, a clock."""

    def __init__(
        self,
        store: Store,
        records: FileRecords,
        find_job: Callable[[str, Access], Job],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._records = records
        self._find_job = find_job
        self._clock = clock

    def give(
        self, wanted: Sequence[Wanted], owner: str | None
    ) -> tuple[list[dict[str, Any]], list[FieldError]]:
        """The arguments with all that jobs are to know of their files, which stay for them from now on.

        Takes whose jobs they are. Returns them, and what is wrong: then nothing may be submitted. Raises
        UnavailableError, FilesUnavailableError.
        """
        asked = [(each, path, value[FILE]) for each in wanted for path, value in files_in(each.arguments)]
        if len(asked) > MAX_ASKED:
            return [], [FieldError(asked[0][0].pointer, f"should name at most {MAX_ASKED} files")]
        found = self._find({file_id for *_, file_id in asked if isinstance(file_id, str)}, owner)
        errors: list[FieldError] = []
        needed: dict[str, float] = {}
        for each, path, file_id in asked:
            file = found.get(file_id) if isinstance(file_id, str) else None
            detail = GONE if file is None else self._fault(file, each, path)
            if detail is not None:
                errors.append(FieldError(each.pointer + pointer_of(path), detail))
            else:
                needed[file_id] = max(needed.get(file_id, 0), each.seconds)
        if errors:
            return [], errors[:MAX_ERRORS]
        given = self._keep({file_id: found[file_id] for file_id in needed}, needed)
        if given is None:
            return [], [FieldError(each.pointer + pointer_of(path), GONE) for each, path, _ in asked][
                :MAX_ERRORS
            ]
        return [
            replaced(dict(each.arguments), lambda _, value: given[value[FILE]].document()) for each in wanted
        ], []

    def _find(self, file_ids: Iterable[str], owner: str | None) -> dict[str, FileRecord]:
        """Those of the files that are whole, and the owner's."""
        places = {file_id: read_id(file_id) for file_id in file_ids}
        own = {
            file_id: place for file_id, place in places.items() if place and place.owner == owner_of(owner)
        }
        known = {file.id: file for file in self._records.get_many([*own]) if file}  # copies of results too
        jobs = {place.job for file_id, place in own.items() if place.job and file_id not in known}
        returned = [file for job_id in jobs for file in self._returned(job_id, Access(owner))]
        return {file.id: file for file in (*known.values(), *returned) if file.complete and file.id in own}

    def _returned(self, job_id: str, access: Access) -> Iterator[FileRecord]:
        """The files that a job returned, as if they had been uploaded when the job ended."""
        try:
            job = self._find_job(job_id, access)
        except (UnknownJobError, ForbiddenError):
            return
        if job.ended_at is None:
            return
        ended = int(job.ended_at.timestamp())
        for info in results_of(job):
            yield FileRecord(
                info.id, info.name, info.type, info.size, info.sha256, created_at=ended, complete=True
            )

    def _fault(self, file: FileRecord, wanted: Wanted, path: Path) -> str | None:
        """Why a file can't be given there; None: it can."""
        left = file.kept_until - self._clock()
        if left < wanted.seconds and longer_class(file.info.place.days, wanted.seconds) is None:
            return TOO_SHORT
        return schema_fault(wanted.schema, path, file.type, file.size)

    def _keep(
        self, files: Mapping[str, FileRecord], needed: Mapping[str, float]
    ) -> dict[str, FileInfo] | None:
        """Have files stay as long as they are needed, if need be as copies.

        Returns what to give instead of each; None: one of them is gone.
        """
        now = int(self._clock())
        uploaded = [file for file in files.values() if file.info.place.job is None]
        if uploaded and not self._records.use(uploaded, now):
            return None
        given = {}
        for file_id, file in files.items():
            given[file_id] = file.info
            days = longer_class(file.info.place.days, needed[file_id])
            if days is not None and file.kept_until < now + needed[file_id]:
                copy = replace(file, id=moved(file_id, days), created_at=now, used=True)
                try:
                    self._store.copy(file.info.key, copy.info.key)
                except FileNotFoundError:
                    return None
                self._records.add(copy, copy.kept_until - now)
                given[file_id] = copy.info
        return given


def _retrying(submission: Submission) -> int:
    """The seconds that a job's retries may take: the last delay is that of all further ones too."""
    retries, delays = submission.retries or 0, submission.retry_delays
    waits = sum(delays[:retries]) + max(0, retries - len(delays)) * (delays[-1] if delays else 0)
    return retries * submission.timeout + waits


def with_files(
    giver: Giver | None, submissions: Sequence[Submission], wanted: Sequence[Wanted]
) -> list[Submission]:
    """The jobs of one owner, given the files that they name.

    Takes what gives files, None where files are off, and what each job wants. Raises InvalidArgumentsError,
    UnavailableError, FilesUnavailableError.
    """
    if giver is None:
        errors = [
            FieldError(each.pointer + pointer_of(path), OFF)
            for each in wanted
            for path, _ in files_in(each.arguments)
        ][:MAX_ERRORS]
    else:
        arguments, errors = giver.give(wanted, submissions[0].owner)
    if errors:
        raise InvalidArgumentsError("A file can't be given to the job; nothing was submitted.", errors=errors)
    return [
        replace(submission, arguments=given, files=True)
        for submission, given in zip(submissions, arguments, strict=True)
    ]


def results_of(job: Job) -> Iterator[FileInfo]:
    """The files that a job has returned."""
    found = [read_info(value) for _, value in files_in(job.result)]
    for info in (*found, job.result_file):
        if info is not None and info.place.job == job.id:
            yield info
