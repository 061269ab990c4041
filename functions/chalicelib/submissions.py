"""From checked requests to what the adapter submits: one job, or a batch of them, all or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib import observe
from chalicelib import options as submission_options
from chalicelib.context import Context
from chalicelib.options import Options
from coatcheck.catalog import TaskSpec, submission_of
from coatcheck.errors import MAX_ERRORS, FieldError, InvalidArgumentsError, UnknownTaskError
from coatcheck.files.places import has_files
from coatcheck.job import Job, Submission
from coatcheck.schema import field_errors

ENTRY_NAMES = frozenset({"task", "arguments"}) | submission_options.NAMES


@dataclass(frozen=True, slots=True)
class Entry:
    """One checked job to be submitted. ``pointer`` says where its arguments stand in the request's body."""

    task: TaskSpec
    arguments: Mapping[str, Any]
    options: Options
    pointer: str = ""


def submit(
    context: Context, entries: Sequence[Entry], idempotency_key: str | None, owner: str | None
) -> tuple[list[Job], dict[str, str]]:
    """Submit all entries or none, as jobs of that owner. Returns them, and headers about the owner's limits.

    Raises InvalidArgumentsError: a file can't be given; IdempotencyMismatchError, UnavailableError, and what
    a limit refuses.
    """
    submissions = [_submission(entry, context, owner) for entry in entries]
    if any(has_files(entry.arguments) for entry in entries):
        submissions = _with_files(submissions, entries, context)
    asked = "" if idempotency_key is None else fingerprint(entries)
    headers: dict[str, str] = {}
    with observe.sending(context, submissions) as traced:
        jobs = context.adapter.submit(
            traced, idempotency_key=idempotency_key, fingerprint=asked, headers=headers
        )
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
    """A digest of what was asked for: the same for the same request, whenever and however it is written."""
    request = [[entry.task.name, entry.arguments, entry.options.given] for entry in entries]
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
    entries: list[Entry] = []
    for index, job in enumerate(jobs):
        if entry := _read_entry(job, f"/jobs/{index}", context, errors):
            entries.append(entry)
        if len(errors) >= MAX_ERRORS:
            break
    if errors:
        wrong = len({error.pointer.split("/")[2] for error in errors})
        more = "at least " if len(errors) >= MAX_ERRORS else ""
        raise InvalidArgumentsError(
            f"Not valid: {more}{wrong} of {len(jobs)} jobs; nothing was submitted.", errors=errors
        )
    return entries


def escaped(name: str) -> str:
    """A name as a step of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _read_entry(job: Any, pointer: str, context: Context, errors: list[FieldError]) -> Entry | None:
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
    errors += field_errors(task, arguments, f"{pointer}/arguments")
    return Entry(task, arguments, options, f"{pointer}/arguments")


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
