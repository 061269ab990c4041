"""The life of a job as a table: each change of its status, who makes it, and when.

``TRANSITIONS`` is a tuple of ``Transition``, in the order of a job's life. A transition has

- ``name``: short, unique in the table;
- ``source`` and ``target``: the statuses before and after. ``None`` is "no such job": not submitted yet, or
  no longer kept. Where both are the same, the step changes something else that counts: which list holds the
  job, the lease, the wish to stop;
- ``by``: who performs it;
- ``script``: the name of the script in ``lua/`` whose one transaction it is, or, in capitals, the one command
  of Redis;
- ``when``: what triggers it, as the rest of a sentence that begins with "when".

The transitions of ``settle`` happen in the script that changes a job that others come after, and in
``settle`` itself, which a janitor runs, only what is left over.

The scripts are the truth; ``tests/coatcheck/test_model.py`` holds this table to them, in both directions, and
``docs/guarantees.md`` is held to this table. Nothing imports it at run time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coatcheck.job import JobStatus


class Actor(StrEnum):
    """Who changes a job."""

    CLIENT = "client"
    WORKER = "worker"
    JANITOR = "janitor"
    REDIS = "redis"


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of a job, in one transaction."""

    name: str
    source: JobStatus | None
    target: JobStatus | None
    by: Actor
    script: str
    when: str


QUEUED, SCHEDULED, DEFERRED = JobStatus.QUEUED, JobStatus.SCHEDULED, JobStatus.DEFERRED
STARTED, FINISHED, FAILED = JobStatus.STARTED, JobStatus.FINISHED, JobStatus.FAILED
STOPPED, CANCELED = JobStatus.STOPPED, JobStatus.CANCELED
CLIENT, WORKER, JANITOR, REDIS = Actor.CLIENT, Actor.WORKER, Actor.JANITOR, Actor.REDIS

TRANSITIONS = (
    Transition("submit", None, QUEUED, CLIENT, "submit", "it is submitted"),
    Transition("submit for later", None, SCHEDULED, CLIENT, "submit", "it is submitted with a delay"),
    Transition(
        "submit after others", None, DEFERRED, CLIENT, "submit_linked", "it is submitted to run after others"
    ),
    Transition(
        "submit in vain",
        None,
        CANCELED,
        CLIENT,
        "submit_linked",
        "one that it comes after has ended without a result",
    ),
    Transition("come due", None, QUEUED, JANITOR, "tick", "a periodic task is due"),
    Transition("set free", DEFERRED, QUEUED, JANITOR, "settle", "all that it comes after have ended"),
    Transition(
        "set free for later",
        DEFERRED,
        SCHEDULED,
        JANITOR,
        "settle",
        "all that it comes after have ended, and its time has not come",
    ),
    Transition(
        "cancel after another",
        DEFERRED,
        CANCELED,
        JANITOR,
        "settle",
        "one that it comes after failed, was stopped or canceled",
    ),
    Transition(
        "wait again", CANCELED, DEFERRED, JANITOR, "settle", "the one that it was canceled for is retried"
    ),
    Transition("promote", SCHEDULED, QUEUED, JANITOR, "promote", "its time has come"),
    Transition(
        "take", QUEUED, QUEUED, WORKER, "BLMOVE", "a worker is free; it moves to the list of taken jobs"
    ),
    Transition("put back", QUEUED, QUEUED, JANITOR, "promote", "it was taken and not begun for too long"),
    Transition(
        "begin", QUEUED, STARTED, WORKER, "begin", "the worker that took it begins; the lease begins too"
    ),
    Transition(
        "begin next",
        QUEUED,
        STARTED,
        WORKER,
        "finish",
        "a worker ends a run and this job waits next, in one step",
    ),
    Transition(
        "begin ahead",
        QUEUED,
        STARTED,
        WORKER,
        "finish",
        "a worker ends a run, runs short tasks, and this job will be run behind the one that it runs by then",
    ),
    Transition(
        "renew", STARTED, STARTED, WORKER, "renew", "the task reports, or a quarter of the lease is over"
    ),
    Transition("ask to stop", STARTED, STARTED, CLIENT, "cancel", "a client wants it to stop"),
    Transition("finish", STARTED, FINISHED, WORKER, "finish", "the task returns"),
    Transition("fail", STARTED, FAILED, WORKER, "finish", "the task fails and no retries are left"),
    Transition(
        "retry now", STARTED, QUEUED, WORKER, "finish", "the task fails, retries are left, without delay"
    ),
    Transition(
        "retry later", STARTED, SCHEDULED, WORKER, "finish", "the task fails, retries are left, with delay"
    ),
    Transition(
        "stop",
        STARTED,
        STOPPED,
        WORKER,
        "finish",
        "the worker obeys the wish to stop, or would put the job back in spite of it",
    ),
    Transition("interrupt", STARTED, QUEUED, WORKER, "finish", "the worker is told to end"),
    Transition(
        "give back", STARTED, QUEUED, WORKER, "finish", "it was begun ahead and its task can't begin soon"
    ),
    Transition(
        "suspect", STARTED, QUEUED, WORKER, "finish", "the process died that its task shared with others"
    ),
    Transition("wait for its task", STARTED, SCHEDULED, WORKER, "finish", "the worker has no such task"),
    Transition(
        "give up its task", STARTED, FAILED, WORKER, "finish", "no worker has had its task for too long"
    ),
    Transition("recover", STARTED, QUEUED, JANITOR, "sweep", "its lease ended: the worker is lost"),
    Transition("lose", STARTED, FAILED, JANITOR, "sweep", "its lease ended and it may run only once"),
    Transition(
        "poison", STARTED, FAILED, JANITOR, "sweep", "its lease ended too often: it is taken for the cause"
    ),
    Transition(
        "stop lost", STARTED, STOPPED, JANITOR, "sweep", "its lease ended and a client wanted it to stop"
    ),
    Transition("cancel queued", QUEUED, CANCELED, CLIENT, "cancel", "a client cancels it, taken or not"),
    Transition("cancel scheduled", SCHEDULED, CANCELED, CLIENT, "cancel", "a client cancels it"),
    Transition("cancel deferred", DEFERRED, CANCELED, CLIENT, "cancel", "a client cancels it"),
    Transition("retry failed", FAILED, QUEUED, CLIENT, "retry", "a client wants it run again"),
    Transition("retry stopped", STOPPED, QUEUED, CLIENT, "retry", "a client wants it run again"),
    Transition("retry canceled", CANCELED, QUEUED, CLIENT, "retry", "a client wants it run again"),
    Transition(
        "retry failed after others",
        FAILED,
        DEFERRED,
        CLIENT,
        "retry",
        "the same, and it comes after one that runs",
    ),
    Transition(
        "retry stopped after others",
        STOPPED,
        DEFERRED,
        CLIENT,
        "retry",
        "the same, and it comes after one that runs",
    ),
    Transition(
        "retry canceled after others",
        CANCELED,
        DEFERRED,
        CLIENT,
        "retry",
        "the same, and it comes after one that runs",
    ),
    Transition("expire finished", FINISHED, None, REDIS, "EXPIRE", "its result's time to live is over"),
    Transition("expire failed", FAILED, None, REDIS, "EXPIRE", "a failure's time to live is over"),
    Transition("expire stopped", STOPPED, None, REDIS, "EXPIRE", "a failure's time to live is over"),
    Transition("expire canceled", CANCELED, None, REDIS, "EXPIRE", "a failure's time to live is over"),
)
"""Every transition that there is."""


def transition(name: str) -> Transition:
    """The transition of that name. Raises KeyError."""
    return _BY_NAME[name]


_BY_NAME = {each.name: each for each in TRANSITIONS}
