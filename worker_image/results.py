"""Other jobs' results as a job's arguments: put in just before it runs, so that Redis has each only once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import redis

from coatcheck.codec import MalformedJobError, decode_result, result_file
from coatcheck.connection import as_text
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


class Results:
    """Takes a client of Redis and the names of the keys."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def put_into(self, arguments: Mapping[str, Any], after: Collection[str]) -> dict[str, Any]:
        """The arguments with the results that they want, in one round trip.

        Takes the jobs that this one comes after: of others it gets nothing. Raises RedisError: it may be
        tried again; MissingResultError, UnfitResultError: a result is not there, or has no such part.
        """
        jobs = wanted(arguments)
        for job_id in jobs:
            if job_id not in after:
                raise MissingResultError(f"the job does not come after {job_id}, and so has no result of it")
        results = self._read(jobs)

        def fill(path: Path, placeholder: Placeholder) -> Any:
            try:
                return part(results[placeholder[JOB]], placeholder.get(POINTER, ""))
            except LookupError as error:
                place = pointer_of(path)
                raise UnfitResultError(f"{place}: in the result of {placeholder[JOB]} {error}") from None

        return filled(arguments, fill)

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
    """What a job returned. Takes the newest record of its results. Raises MissingResultError."""
    try:
        result = decode_result(record)
        large = result_file(result) is not None
    except (ValueError, RecursionError) as error:
        raise MissingResultError(f"the result of {job_id} is damaged: {error}") from error
    if large:
        raise MissingResultError(f"the result of {job_id} is in a file, since it is large")
    return result
