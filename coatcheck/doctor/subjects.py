"""What is examined: the keys of a namespace and the entries of those that hold many."""

from __future__ import annotations

import re
from typing import NamedTuple

from coatcheck.connection import as_text
from coatcheck.keys import Keys


class Subject(NamedTuple):
    """One thing to look at: what it is, and what names it; ``doctor.lua`` has a check for each ``what``."""

    what: str
    name: str | bytes
    member: str | bytes = ""


REGISTRIES = ("wip", "scheduled", "deferred", "finished", "failed", "canceled")
"""RQ's registries that hold jobs of ours."""

RQ_ONLY = re.compile(
    r"suspended|clean_registries:.*|scheduler(-lock)?:.*|job:[^:]*:dependents|job::[^:]*:dependencies|ready:.*"
    r"|group:.*|groups|clean_groups|cron_schedulers?(:.*)?|cron_jobs?(:.*)?|rl-keys|rl:.*|registry:.*"
    r"|queue:_compact:.*|unique:.*",
    re.S,
)
"""Keys of RQ's data model that Coatcheck never writes, some of them but for its own jobs: let be.

(rq 3: the same files as in ``keys.py``.)
"""

SINGLE = {
    "queues",
    "index",
    "owned",
    "leases",
    "unsettled",
    "uncalled",
    "workers",
    "swept",
    "doctor:lost",
    "doctor:swept",
}
"""Keys that a namespace has one of."""

_NAMED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.S), what)
    for pattern, what in (
        (r"job:([^:]+)", "job"),
        (r"job:([0-9a-z]{36}):dependents", "dependents"),
        (r"job::([0-9a-z]{36}):dependencies", "dependencies"),
        (r"batch:(.+)", "batch"),
        (r"log:([^:]+)", "log"),
        (r"results:([^:]+)", "results"),
        (r"execution:([^:]+:[^:]+)", "execution"),
        (r"executions:([^:]+)", "executions"),
        (r"worker:(.+):executions", "worker-executions"),
        (r"worker:(.+)", "worker"),
        (r"idempotency:(.+)", "idempotency"),
        (r"rate:(.+)", "rate"),
        (r"uploads:(.+)", "uploads"),
        (r"file:(.+)", "file"),
    )
)
_NOTHING_TO_CHECK = re.compile(r"schedule:(.+)", re.S)
_OF_AN_OWNER = re.compile(r"waiting:(.+)", re.S)
_OF_A_QUEUE = re.compile(rf"(?:queue|workers|{'|'.join(REGISTRIES)}):(.+?)(?::intermediate)?", re.S)


def subject_of(key: bytes, keys: Keys) -> Subject | None:
    """What a key is. None: RQ's alone, or one that holds many (``queue_of``, ``owner_of``, ``places``)."""
    rest = _rest(key, keys)
    for pattern, what in _NAMED:
        if match := pattern.fullmatch(rest):
            return Subject(what, match[1])
    if rest in SINGLE or any(
        kind.fullmatch(rest) for kind in (RQ_ONLY, _NOTHING_TO_CHECK, _OF_A_QUEUE, _OF_AN_OWNER)
    ):
        return None
    return Subject("unknown", key[len(keys.prefix) :])


def queue_of(key: bytes, keys: Keys) -> str | None:
    """The name of the queue that a list or registry belongs to, None for any other key."""
    match = _OF_A_QUEUE.fullmatch(_rest(key, keys))
    return match[1] if match else None


def owner_of(key: bytes, keys: Keys) -> str | None:
    """The digest of the owner whose waiting jobs are counted in that set, None for any other key."""
    match = _OF_AN_OWNER.fullmatch(_rest(key, keys))
    return match[1] if match else None


def _rest(key: bytes, keys: Keys) -> str:
    """A key without the prefix; nothing, which no pattern fits, for one that is no text."""
    try:
        return key[len(keys.prefix) + 1 :].decode()
    except UnicodeDecodeError:
        return ""


class Place(NamedTuple):
    """A key that holds many.

    What each member is to be looked at as, its queue or owner ('' for all), and its type.
    """

    what: str
    queue: str
    key: str
    type: str

    def subject(self, member: bytes) -> Subject:
        """What to look at for one of its members."""
        if self.what in ("index", "owned", "leases"):
            return Subject(self.what, member)
        return Subject(self.what, self.queue, member)


def places(keys: Keys, queues: list[str]) -> list[Place]:
    """Where the jobs, runs and workers of these queues are listed, each queue's list before what is taken."""
    found = []
    for queue in queues:
        found += [
            Place("queue", queue, keys.queue(queue), "list"),
            Place("intermediate", queue, keys.intermediate(queue), "list"),
            *(Place(kind, queue, keys.registry(kind, queue), "zset") for kind in REGISTRIES),
            Place("workers", queue, keys.workers_of(queue), "set"),
        ]
    return [
        *found,
        Place("workers", "", keys.workers, "set"),
        Place("index", "", keys.index, "zset"),
        Place("owned", "", keys.owned, "zset"),
        Place("leases", "", keys.leases, "zset"),
    ]


def waiting_of(owner: str, keys: Keys) -> Place:
    """Where the waiting jobs of an owner are counted. Takes the owner's digest."""
    return Place("waiting", owner, f"{keys.prefix}:waiting:{owner}", "set")


def named(subject: Subject, keys: Keys) -> tuple[str, str | None]:
    """The key in Redis that a subject is about, and its job if it is about one."""
    what, name, member = subject.what, as_text(subject.name), as_text(subject.member)
    job = (member or name).partition(":")[0]
    if what in ("queue", "intermediate"):
        return keys.queue(name) if what == "queue" else keys.intermediate(name), job
    if what == "waiting":
        return f"{keys.prefix}:waiting:{name}", job
    if what in REGISTRIES:
        return keys.registry(what, name), job
    if what in ("index", "owned", "leases"):
        return f"{keys.prefix}:{what}", job
    if what in ("dependents", "dependencies"):
        return (keys.dependents if what == "dependents" else keys.dependencies)(name), job
    if what in ("job", "log", "results", "execution", "executions"):
        return f"{keys.prefix}:{what}:{name}", job
    key = {
        "worker": keys.worker(name),
        "worker-executions": f"{keys.worker(name)}:executions",
        "workers": keys.workers_of(name) if name else keys.workers,
        "named": keys.queue(name),
        "unknown": f"{keys.prefix}{name}",
        "idempotency": keys.idempotency(name),
        "file": keys.file(name),
        "rate": f"{keys.prefix}:rate:{name}",
        "uploads": f"{keys.prefix}:uploads:{name}",
        "batch": keys.batch(name),
        "place": f"{keys.prefix}:{name}",
    }[what]
    return key, None
