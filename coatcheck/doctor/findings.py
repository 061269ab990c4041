"""What can be wrong, in words: the kinds of findings, and what is done about each."""

from __future__ import annotations

from dataclasses import dataclass, field

from coatcheck.doctor.subjects import Subject


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of inconsistency.

    ``sentence`` tells what is wrong and may name a ``{detail}``; ``remedy`` what a repair does, None when
    it is only reported. ``heals``: a living worker pool mends it by itself within seconds, so it counts
    only if it stays longer than that.
    """

    sentence: str
    remedy: str | None
    heals: bool = False


LOST = "treated as a job whose worker was lost"

KINDS: dict[str, Kind] = {
    # The job and its place
    "queued-nowhere": Kind(
        "The job is queued, but waits on no queue.", "put at the head of its queue, {detail}"
    ),
    "queued-twice": Kind("The job stands {detail} times on its queue.", "left there once"),
    "scheduled-nowhere": Kind("The job is {detail}, but on no schedule.", "put on the schedule of its queue"),
    "started-nowhere": Kind(
        "The job is started, but not in the registry of running jobs.", "added to that of queue {detail}"
    ),
    "started-without-lease": Kind("The job is started, but nobody holds its lease.", LOST),
    "started-without-worker": Kind(
        "The job is started, but its worker {detail} is gone and the lease far from its end.",
        LOST,
        heals=True,  # after an outage of Redis the worker's next beat brings it back
    ),
    "started-without-execution": Kind(
        "The job is started, but RQ's record of its run {detail} is missing or not complete.", "written anew"
    ),
    "lease-overdue": Kind(
        "The job's lease ended {detail} s ago, and no worker pool has dealt with it.", LOST, heals=True
    ),
    "taken-not-begun": Kind(
        "A worker took the job from the queue {detail} and never began it.",
        "put back at the head of its queue",
        heals=True,
    ),
    "ended-nowhere": Kind("The job is {detail}, but not in the registry of such jobs.", "added to it"),
    "two-places": Kind("The job is {detail} and where it belongs, but listed here too.", "removed from here"),
    "wrong-place": Kind("The job is {detail}, so it does not belong here.", "removed from here"),
    "gone-but-listed": Kind("The job is gone, but is still listed here.", "removed from here", heals=True),
    "not-indexed": Kind("The job is {detail}, but missing in a list of jobs.", "added to it"),
    "index-differs": Kind(
        "A list shows the job as something else than {detail}.", "shown as that", heals=True
    ),
    "gone-but-indexed": Kind(
        "The job is gone, but still stands in a list of jobs.", "removed from it", heals=True
    ),
    "waiting-uncounted": Kind(
        "The job waits, but is not counted among the waiting jobs of its owner, {detail}.", "counted"
    ),
    "counted-not-waiting": Kind(
        "The job is counted among the waiting jobs of an owner, but is none of these.", "no longer counted"
    ),
    "queue-unlisted": Kind(
        "The queue has jobs ({detail}), but is missing in the set of queues.", "added to the set"
    ),
    # Jobs after jobs
    "not-settled": Kind(
        "The job is {detail}, and what has become of those that it comes after says something else.",
        "set free, canceled or deferred, as that says",
        heals=True,
    ),
    "unknown-to-dependency": Kind(
        "The job comes after {detail}, but is not among its dependents.", "added to them"
    ),
    "stray-dependent": Kind(
        "{detail} is among the dependents of the job, but waits for no end of it.", "removed", heals=True
    ),
    "needed-with-ttl": Kind(
        "The job's result may be needed by others, but would expire.", "kept until these have ended"
    ),
    "orphan-dependents": Kind("The job that these belong to is gone.", "deleted"),
    "batch-miscounted": Kind(
        "The batch has another number of jobs that have not ended than {detail}.", "counted anew"
    ),
    # Runs and workers
    "stray-lease": Kind("The lease belongs to no running job.", "removed"),
    "stray-execution": Kind("The record of a run belongs to no running job.", "deleted"),
    "stray-worker-execution": Kind("The worker is said to run {detail}, which it does not.", "removed"),
    "worker-gone": Kind("{detail} stands among the workers, but is gone.", "removed", heals=True),
    "worker-without-ttl": Kind("The worker's record has no time to live.", "given one"),
    # Times to live
    "ended-without-ttl": Kind("The job is {detail}, but has no time to live.", "given that of its settings"),
    "unended-with-ttl": Kind("The job is {detail}, but would expire.", "kept until it ends"),
    "ttl-differs": Kind(
        "The job's registry tells another time of expiry than the job itself.", "the registry follows the job"
    ),
    "log-without-ttl": Kind("The job is {detail}, but its log has no time to live.", "given the job's"),
    "results-without-ttl": Kind(
        "The job is {detail}, but its results have no time to live.", "given the job's"
    ),
    "orphan-log": Kind("The log's job is gone.", "deleted"),
    "orphan-results": Kind("The results' job is gone.", "deleted"),
    "idempotency-without-ttl": Kind(
        "The record of an Idempotency-Key has no time to live.", "given that of the settings"
    ),
    "file-without-ttl": Kind(
        "What is known of an uploaded file has no time to live.", "given that of the settings"
    ),
    "rate-without-ttl": Kind("What an owner has submitted of late has no time to live.", "deleted"),
    "uploads-without-ttl": Kind("What an owner has uploaded of late has no time to live.", "deleted"),
    # Not for us to mend
    "quarantined": Kind(
        "Quarantined: {detail}. Find out who writes to Redis and has no key; docs/signing.md"
        " tells what each reason means. It is reported as long as the job is kept.",
        None,
    ),
    "wrong-type": Kind("The key is a {detail}.", None),
    "unknown-key": Kind("Neither Coatcheck nor RQ knows such a key (a {detail}).", None),
    "not-understood": Kind("The job has no queue, or a status ({detail}) that Coatcheck does not use.", None),
}
"""All kinds of findings. Their names are stable."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One inconsistency: its kind, the key in Redis, the job if it is about one, and a sentence."""

    kind: str
    key: str
    job: str | None
    message: str
    detail: str = field(repr=False, compare=False)
    subject: Subject = field(repr=False, compare=False)

    @property
    def mendable(self) -> bool:
        """Whether a repair does anything about it."""
        return KINDS[self.kind].remedy is not None
