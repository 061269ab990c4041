"""From checked requests to what the adapter submits: one job, or a batch of them, all or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib import observe
from chalicelib import options as submission_options
from chalicelib.callers import Caller
from chalicelib.context import Context
from chalicelib.dependencies import Wait, check_cycles, check_names, check_ref, linked, results_awaited
from chalicelib.options import Options
from coatcheck.catalog import TaskSpec, submission_of
from coatcheck.errors import (
    MAX_ERRORS,
    FieldError,
    InvalidArgumentsError,
    UnknownDependencyError,
    UnknownTaskError,
)
from coatcheck.files.places import has_files
from coatcheck.job import CANCEL, Job, Submission
from coatcheck.json_pointer import escaped
from coatcheck.schema import field_errors, validate

ENTRY_NAMES = frozenset({"task", "arguments", "ref"}) | submission_options.NAMES


@dataclass(frozen=True, slots=True)
class Entry:
    """One checked job to be submitted.

    ``pointer`` says where its arguments stand in the request's body; ``ref``: what the others of its batch
    call it; ``waits``: the jobs that it waits for.
    """

    task: TaskSpec
    arguments: Mapping[str, Any]
    options: Options
    pointer: str = ""
    ref: str | None = None
    waits: tuple[Wait, ...] = ()


def submit(
    context: Context,
    entries: Sequence[Entry],
    idempotency_key: str | None,
    caller: Caller,
    batch: str | None = None,
) -> tuple[list[Job], dict[str, str]]:
    """Submit all entries or none, as jobs of the caller, and as that batch unless it is None.

    Returns the jobs, and headers about the caller's limits. Raises InvalidArgumentsError (a file can't be
    given, or a job is to wait for one that is not there), IdempotencyMismatchError, UnavailableError, and
    what a limit refuses.
    """
    submissions = [_submission(entry, context, caller.owner) for entry in entries]
    if any(has_files(entry.arguments) for entry in entries):
        submissions = _with_files(submissions, entries, context)
    if any(entry.waits for entry in entries):
        ids = {entry.ref: each.id for entry, each in zip(entries, submissions, strict=True) if entry.ref}
        submissions = [_linked(entry, each, ids) for entry, each in zip(entries, submissions, strict=True)]
    asked = "" if idempotency_key is None else fingerprint(entries)
    headers: dict[str, str] = {}
    try:
        with observe.sending(context, submissions) as traced:
            jobs = context.adapter.submit(
                traced,
                idempotency_key=idempotency_key,
                fingerprint=asked,
                headers=headers,
                batch=batch,
                access=caller.access,
            )
    except UnknownDependencyError as error:
        raise _pointed(error, entries[error.job].waits) from error
    observe.note(jobs)
    return jobs, headers


def _with_files(
    submissions: Sequence[Submission], entries: Sequence[Entry], context: Context
) -> list[Submission]:
    """The jobs, given the files that their arguments name. Raises InvalidArgumentsError, UnavailableError."""
    from coatcheck.files.giving import Wanted, with_files

    files = context.adapter.files
    wanted = [
        Wanted.by(submission, entry.task.schema, entry.pointer, context.settings)
        for submission, entry in zip(submissions, entries, strict=True)
    ]
    return with_files(None if files is None else files.giver, submissions, wanted)


def fingerprint(entries: Sequence[Entry]) -> str:
    """A digest of what was asked for: the same for the same request, whenever and however it is written.

    With the refs in it and not the ids, which are others at each try.
    """
    request = [
        [entry.task.name, entry.arguments, entry.options.given, *([] if entry.ref is None else [entry.ref])]
        for entry in entries
    ]
    return hashlib.sha256(json.dumps(request, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_batch(document: Mapping[str, Any], context: Context) -> list[Entry]:
    """The entries of a batch's body, ``{"jobs": [...]}``.

    Raises InvalidArgumentsError: names what is wrong with each entry, by JSON Pointer, up to MAX_ERRORS.
    """
    errors = [FieldError(f"/{escaped(name)}", "is not known") for name in document if name != "jobs"]
    jobs = document.get("jobs")
    most = context.settings.max_batch
    if "jobs" not in document:
        errors.append(FieldError("/jobs", "is required"))
    elif not isinstance(jobs, list) or not 1 <= len(jobs) <= most:
        errors.append(FieldError("/jobs", f"should be an array of 1 to {most} jobs"))
    if errors or not isinstance(jobs, list):
        raise InvalidArgumentsError("The batch is not valid; nothing was submitted.", errors=errors)
    refs = _read_refs(jobs, errors)
    entries: list[Entry] = []
    for index, job in enumerate(jobs):
        if entry := _read_entry(job, f"/jobs/{index}", context, refs, errors):
            entries.append(entry)
        if len(errors) >= MAX_ERRORS:
            break
    if refs and not errors:
        errors += check_cycles([entry.waits for entry in entries], refs)
    if errors:
        wrong = len({error.pointer.split("/")[2] for error in errors})
        more = "at least " if len(errors) >= MAX_ERRORS else ""
        raise InvalidArgumentsError(
            f"Not valid: {more}{wrong} of {len(jobs)} jobs; nothing was submitted.", errors=errors
        )
    return entries


def single(task: TaskSpec, arguments: Mapping[str, Any], options: Options) -> Entry:
    """The entry of a job that is submitted alone.

    Raises InvalidArgumentsError: names what is wrong with the arguments, and with the jobs that it waits for.
    """
    awaited, errors = results_awaited(arguments, "")
    waits = (*options.after, *awaited)
    if waits:
        errors += check_names(waits, {}, "?after")
    if errors:
        raise InvalidArgumentsError("The job can't wait for others as it says.", errors=errors)
    validate(task, arguments, waiting=bool(awaited))
    return Entry(task, arguments, options, waits=waits)


def _read_refs(jobs: Sequence[Any], errors: list[FieldError]) -> dict[str, int]:
    """The number of each job that has a ref; adds what is wrong to ``errors``."""
    refs: dict[str, int] = {}
    for index, job in enumerate(jobs):
        if not isinstance(job, dict) or job.get("ref") is None:
            continue
        try:
            ref = check_ref(job["ref"])
        except ValueError as error:
            errors.append(FieldError(f"/jobs/{index}/ref", str(error)))
            continue
        if ref in refs:
            errors.append(FieldError(f"/jobs/{index}/ref", f"is the ref of job {refs[ref]} too"))
        refs.setdefault(ref, index)
    return refs


def _read_entry(
    job: Any, pointer: str, context: Context, refs: Mapping[str, int], errors: list[FieldError]
) -> Entry | None:
    """The entry of one job; adds what is wrong to ``errors``."""
    if not isinstance(job, dict):
        errors.append(FieldError(pointer, "should be an object with task and arguments"))
        return None
    errors += [
        FieldError(f"{pointer}/{escaped(name)}", "is not known") for name in job if name not in ENTRY_NAMES
    ]
    given = {name: value for name, value in job.items() if name in submission_options.NAMES}
    options, wrong = submission_options.parse(given, context, lambda name: f"{pointer}/{name}")
    errors += wrong
    task = _read_task(job, pointer, context, errors)
    arguments = job.get("arguments", {})
    if not isinstance(arguments, dict):
        errors.append(FieldError(f"{pointer}/arguments", "should be an object"))
        return None
    if task is None:
        return None
    where = f"{pointer}/arguments"
    awaited, malformed = results_awaited(arguments, where)
    waits = (*options.after, *awaited)
    errors += malformed
    errors += check_names(waits, refs, f"{pointer}/after")
    errors += field_errors(task, arguments, where, waiting=bool(awaited or malformed))
    return Entry(task, arguments, options, where, job.get("ref"), waits)


def _read_task(
    job: Mapping[str, Any], pointer: str, context: Context, errors: list[FieldError]
) -> TaskSpec | None:
    name = job.get("task")
    if not isinstance(name, str):
        detail = "should be the name of a task" if "task" in job else "is required"
        errors.append(FieldError(f"{pointer}/task", detail))
        return None
    try:
        return context.catalog.get(name)
    except UnknownTaskError as error:
        errors.append(FieldError(f"{pointer}/task", error.detail))
        return None


def _linked(entry: Entry, submission: Submission, ids: Mapping[str, str]) -> Submission:
    """The submission with the jobs that it waits for. Takes the ids by ref."""
    if not entry.waits:
        return submission
    return replace(
        submission,
        arguments=linked(submission.arguments, ids),
        after=tuple(dict.fromkeys(ids.get(wait.name, wait.name) for wait in entry.waits)),
        if_failed=entry.options.if_failed or CANCEL,
    )


def _pointed(error: UnknownDependencyError, waits: Sequence[Wait]) -> InvalidArgumentsError:
    """The error, told where the request names the job that is not there."""
    [entry] = error.errors
    errors = [FieldError(wait.pointer, entry.detail) for wait in waits if wait.name == error.id]
    return InvalidArgumentsError(error.detail, errors=errors)


def _submission(entry: Entry, context: Context, owner: str | None) -> Submission:
    options, settings = entry.options, context.settings
    submission = submission_of(
        entry.task,
        entry.arguments,
        settings,
        queue=options.queue,
        timeout=options.timeout,
        at=options.at,
        owner=owner,
    )
    if options.callback is None:
        return submission
    from coatcheck.callbacks import delivery_of

    queue = settings.callback_queue or submission.queue
    return replace(submission, delivery=delivery_of(submission.id, options.callback, queue, owner))
