"""Other jobs' results as a job's arguments: put in just before it runs, so that Redis has each only once."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from coatcheck.codec import MalformedJobError, decode_result, result_file
from coatcheck.connection import as_text
from coatcheck.errors import FileError
from coatcheck.files.info import FileInfo
from coatcheck.json_pointer import part, pointer_of
from coatcheck.keys import Keys
from coatcheck.placeholders import JOB, POINTER, Path, Placeholder, faults, filled, placeholders


class MissingResultError(MalformedJobError):
    """A result that a job needs is not there."""

    kind = "MissingResult"


class UnfitResultError(MalformedJobError):
    """A result that a job needs has nothing where the job looks."""

    kind = "ArgumentsError"


def wanted(arguments: Mapping[str, Any]) -> list[str]:
    """The jobs whose results these arguments want. Raises MalformedJobError: nobody could say which."""
    found: dict[str, None] = {}
    for path, placeholder in placeholders(arguments):
        for member, fault in faults(placeholder):
            raise UnfitResultError(f"{pointer_of((*path, member))} {fault}")
        found[placeholder[JOB]] = None
    return list(found)


@dataclass(frozen=True, slots=True)
class Large:
    """A result that is kept as a file: its work-horse puts it into the arguments, at ``path``.

    ``pointer`` says which part of it is wanted.
    """

    path: Path
    job: str
    file: dict[str, Any]
    pointer: str


class Results:
    """Takes a client of Redis and the names of the keys."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def put_into(
        self, arguments: Mapping[str, Any], after: Collection[str]
    ) -> tuple[dict[str, Any], list[Large]]:
        """The arguments with the results that they want, in one round trip; and those that are in files.

        Takes the jobs that this one comes after: of others it gets nothing. Raises RedisError: it may be
        tried again; MissingResultError, UnfitResultError: a result is not there, or has no such part.
        """
        jobs = wanted(arguments)
        for job_id in jobs:
            if job_id not in after:
                raise MissingResultError(f"the job does not come after {job_id}, and so has no result of it")
        results = self._read(jobs)

        large: list[Large] = []

        def fill(path: Path, placeholder: Placeholder) -> Any:
            result, pointer = results[placeholder[JOB]], placeholder.get(POINTER, "")
            if isinstance(result, FileInfo):
                large.append(Large(path, placeholder[JOB], result.document(), pointer))
                return None
            try:
                return part(result, pointer)
            except LookupError as error:
                place = pointer_of(path)
                raise UnfitResultError(f"{place}: in the result of {placeholder[JOB]} {error}") from None

        return filled(arguments, fill), large

    def _read(self, jobs: list[str]) -> dict[str, Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in jobs:
            pipeline.hget(self._keys.job(job_id), "status")
            pipeline.xrevrange(self._keys.results(job_id), count=1)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        pairs = zip(jobs, answers[::2], answers[1::2], strict=True)
        return {job_id: _result(job_id, status, records) for job_id, status, records in pairs}


def _result(job_id: str, status: Any, records: Any) -> Any:
    """A job's result. Raises MissingResultError; RedisError: Redis could not say."""
    for answer in (status, records):
        if isinstance(answer, redis.RedisError) and not isinstance(answer, redis.ResponseError):
            raise answer
    if not isinstance(status, bytes) or isinstance(records, Exception) or not records:
        raise MissingResultError(f"the result of {job_id} is not kept any more")
    if status != b"finished":
        raise MissingResultError(f"there is no result of {job_id}, which is {as_text(status)}")
    return result_of(job_id, records[0][1])


def result_of(job_id: str, record: Mapping[bytes, bytes]) -> Any:
    """What a job returned, or the file that it is in. Takes the newest record of its results.

    Raises MissingResultError.
    """
    try:
        result = decode_result(record)
    except (ValueError, RecursionError) as error:
        raise MissingResultError(f"the result of {job_id} is damaged: {error}") from error
    file = result_file(result)
    return file if file is not None and file.place.job == job_id else result


def put_large(arguments: Mapping[str, Any], large: Sequence[Large], read: Callable[[Any], bytes]) -> Any:
    """The arguments with the results that are in files, in a work-horse. Takes what reads a file.

    Raises MissingResultError, UnfitResultError.
    """
    whole: dict[str, Any] = {}
    found = copy.deepcopy(dict(arguments))
    for each in large:
        if each.job not in whole:
            try:
                whole[each.job] = json.loads(read(each.file))
            except FileError as error:
                raise MissingResultError(f"the result of {each.job}: {error}") from error
            except (ValueError, RecursionError) as error:
                raise MissingResultError(f"the result of {each.job} is damaged: {error}") from error
        place: Any = found
        for step in each.path[:-1]:
            place = place[step]
        try:
            place[each.path[-1]] = part(whole[each.job], each.pointer)
        except LookupError as error:
            where = pointer_of(each.path)
            raise UnfitResultError(f"{where}: in the result of {each.job} {error}") from None
    return found
