"""What jobs wait for: the jobs that their options and arguments name, by ref or by id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coatcheck.cycles import find_cycle
from coatcheck.errors import FieldError
from coatcheck.job import MAX_AFTER, is_job_id
from coatcheck.json_pointer import pointer_of
from coatcheck.placeholders import JOB, Placeholder, faults, filled, placeholders

MAX_TOLD = 5
"""Most jobs of a cycle that an error names."""
REF = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Wait:
    """A job that another one waits for, by its ref or id, and where the request names it."""

    name: str
    pointer: str


def check_ref(ref: Any) -> str:
    """The ref of an entry: what the others of its batch call it. Raises ValueError."""
    if not isinstance(ref, str) or not REF.fullmatch(ref):
        raise ValueError("should be up to 64 letters, digits, '_', '-' or '.'")
    if is_job_id(ref):
        raise ValueError("should not look like the id of a job")
    return ref


def results_awaited(arguments: Mapping[str, Any], pointer: str) -> tuple[list[Wait], list[FieldError]]:
    """The jobs whose results the arguments are to get, and what is wrong with these places.

    Takes the arguments' JSON Pointer.
    """
    waits: list[Wait] = []
    errors: list[FieldError] = []
    for path, placeholder in placeholders(arguments):
        wrong = [
            FieldError(pointer + pointer_of((*path, member)), detail)
            for member, detail in faults(placeholder)
        ]
        errors += wrong
        if not wrong:
            waits.append(Wait(placeholder[JOB], pointer + pointer_of((*path, JOB))))
    return waits, errors


def check_names(waits: Sequence[Wait], refs: Mapping[str, int], place: str) -> list[FieldError]:
    """What is wrong with the names of jobs that one waits for.

    Takes the refs of its batch, and the pointer of its ``after``.
    """
    if not waits:
        return []
    of_a_batch = "is no ref of this batch and no id of a job" if refs else "is no id of a job"
    errors = [
        FieldError(wait.pointer, of_a_batch)
        for wait in waits
        if wait.name not in refs and not is_job_id(wait.name)
    ]
    if len({wait.name for wait in waits}) > MAX_AFTER:
        errors.append(FieldError(place, f"should be at most {MAX_AFTER} jobs, with those of its arguments"))
    return errors


def check_cycles(waits: Sequence[Sequence[Wait]], refs: Mapping[str, int]) -> list[FieldError]:
    """What closes a cycle, if there is one. Takes what each job of a batch waits for, and their refs."""
    graph = {
        job: [refs[wait.name] for wait in each if wait.name in refs] for job, each in enumerate(waits) if each
    }
    cycle = find_cycle(graph)
    if not cycle:
        return []
    closing = next(wait for wait in waits[cycle[0]] if refs.get(wait.name) == cycle[1])
    names = {job: ref for ref, job in refs.items()}
    first, *others = (names[job] for job in cycle)
    if len(others) > MAX_TOLD:
        others[MAX_TOLD - 1 : -1] = ["..."]
    told = f"{first} waits for {', which waits for '.join(others)}"
    return [FieldError(closing.pointer, f"would never come: {told}")]


def linked(arguments: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """The arguments with ids in place of refs. Takes the ids by ref."""

    def by_id(_: Any, placeholder: Placeholder) -> Placeholder:
        return {**placeholder, JOB: ids.get(placeholder[JOB], placeholder[JOB])}

    return filled(arguments, by_id)
