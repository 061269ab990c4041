"""What becomes of jobs whose worker is lost: the rules, and the one script that carries them out."""

from __future__ import annotations

from coatcheck.codec import encode_error, encode_traceback
from coatcheck.connection import as_text
from coatcheck.job import JobError
from coatcheck.scripts import Scripts

PATIENCE = 10
"""Seconds after which a job that a worker took but never began is put back on its queue."""
BATCH = 500
"""Most jobs dealt with in one step."""
MAX_LOST = 3
"""How often a job may lose its worker before it counts as the cause."""

LOST = JobError("WorkerLost", "the worker that ran the task was lost, and the task may run only once")
POISONOUS = JobError("WorkerLost", f"the task lost its worker {MAX_LOST} times; it is not run again")


def sweep(scripts: Scripts, leases: str, swept: str, lease: int) -> list[tuple[str, str]]:
    """Deal with ended leases, up to BATCH. Returns the jobs, each with its new status.

    Takes the keys of the leases and of the time of the last sweep, and the seconds of a lease.
    """
    answer = scripts.run(
        "sweep",
        [leases, swept],
        MAX_LOST,
        *(encode_traceback(f"{error.type}: {error.message}") for error in (LOST, POISONOUS)),
        *(encode_error(error) for error in (LOST, POISONOUS)),
        BATCH,
        lease,
    )
    words = [as_text(word) for word in answer]
    return list(zip(words[::2], words[1::2], strict=True))
