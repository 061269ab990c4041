"""Reads a whole namespace, in pages, and finds what is wrong. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import redis

from coatcheck.connection import as_text
from coatcheck.doctor.findings import KINDS, Finding
from coatcheck.doctor.script import Doctor
from coatcheck.doctor.subjects import Place, Subject, owner_of, places, queue_of, subject_of, waiting_of
from coatcheck.listing import queue_names
from coatcheck.settings import Settings

PAGE = 1000
"""Keys or entries read in one round trip."""
OVERLAP = 100
"""Entries of a queue that are read again with the next page, since workers take from its head meanwhile."""
CALL = 100
"""Subjects in one call of the script, which must not run for long."""
QUICK = {
    "index",
    "owned",
    "waiting",
    "rate",
    "uploads",
    "leases",
    "log",
    "results",
    "execution",
    "executions",
    "workers",
    "worker",
    "idempotency",
    "dependencies",
    "file",
}
"""What a thorough look takes no time for. For all else it searches a queue, so it looks at one in a call."""
PAUSE = 1.0
"""Seconds between the first and the second look."""
HEALING = 7.0
"""Seconds in which a living pool mends what it can."""


def examine(
    client: redis.Redis, settings: Settings, *, pause: float = PAUSE, healing: float = HEALING
) -> list[Finding]:
    """Every inconsistency of the namespace that a second look confirms, those about jobs first.

    Takes a client whose answers may take some seconds, and the seconds to wait before the second look and
    before the third, at what a pool of workers mends by itself. Raises redis.RedisError.
    """
    reader = _Reader(client, settings)
    suspects = list(dict.fromkeys(reader.suspects()))
    found = _thorough(reader.doctor, suspects)
    if found:
        time.sleep(pause)
        found = _still(reader.doctor, found)
    if any(KINDS[finding.kind].heals for finding in found):
        time.sleep(healing)
        found = _still(reader.doctor, found)
    return sorted(found, key=lambda finding: (finding.subject.what != "job", finding.kind))


def _thorough(doctor: Doctor, subjects: Iterable[Subject]) -> list[Finding]:
    found = []
    quick: list[Subject] = []
    for subject in subjects:
        if subject.what in QUICK:
            quick.append(subject)
        else:
            found += doctor.findings("check", [subject])
    for chunk in _chunks(quick, CALL):
        found += doctor.findings("check", chunk)
    return found


def _still(doctor: Doctor, found: list[Finding]) -> list[Finding]:
    """Those of the findings that are still true."""
    before = {(finding.kind, finding.subject) for finding in found}
    now = _thorough(doctor, dict.fromkeys(finding.subject for finding in found))
    return [finding for finding in now if (finding.kind, finding.subject) in before]


class _Reader:
    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self.doctor = Doctor(client, settings)
        self._keys = self.doctor.keys
        self._unseen: dict[str, set[str]] = {}
        """The jobs that should wait on each queue, by their hashes: the only thing that is kept for each."""
        self._seen: set[str] = set()
        """What stands on the queue that is read now, and among what was taken from it."""
        self._repeated: set[str] = set()

    def suspects(self) -> Iterator[Subject]:
        """What looks wrong at the first look, some of it twice."""
        queues: set[str] = set()
        owners: set[str] = set()
        for chunk in _chunks(self._subjects(queues, owners), CALL):
            for subject, kind, detail in self.doctor.call("look", chunk):
                if kind == "queued":
                    self._unseen.setdefault(detail, set()).add(as_text(subject.name))
                else:
                    yield subject
        yield Subject("place", "queues", "set")
        if self._type(self._keys.queues) == "set":
            queues |= set(queue_names(self._redis, self._keys))
        yield from (Subject("named", queue) for queue in queues)
        # Jobs first, lists after: a job that moves on meanwhile then has a status that shows it.
        counted = (waiting_of(owner, self._keys) for owner in sorted(owners))
        for place in (*places(self._keys, sorted(queues)), *counted):
            yield from self._place(place)
        for ids in (self._repeated, *self._unseen.values()):
            yield from (Subject("job", job_id) for job_id in ids)

    def _subjects(self, queues: set[str], owners: set[str]) -> Iterator[Subject]:
        """All keys but those that hold many; the queues and owners that these belong to are added."""
        for key in self._redis.scan_iter(match=f"{self._keys.prefix}:*", count=PAGE):
            if subject := subject_of(key, self._keys):
                yield subject
            elif queue := queue_of(key, self._keys):
                queues.add(queue)
            elif owner := owner_of(key, self._keys):
                owners.add(owner)

    def _place(self, place: Place) -> Iterator[Subject]:
        kind = self._type(place.key)
        if kind == "none":
            return
        if kind != place.type:
            yield Subject("place", place.key[len(self._keys.prefix) + 1 :], place.type)
            return
        for chunk in _chunks(self._members(place), CALL):
            for subject, _, _ in self.doctor.call("look", chunk):
                yield subject

    def _members(self, place: Place) -> Iterator[Subject]:
        if place.type == "list":
            yield from self._waiting(place)
        elif place.type == "zset":
            for member, _ in self._redis.zscan_iter(place.key, count=PAGE):
                yield place.subject(member)
        else:
            for member in self._redis.sscan_iter(place.key, count=PAGE):
                yield place.subject(member)

    def _waiting(self, place: Place) -> Iterator[Subject]:
        """The entries of a queue's list; those that stand there twice come as jobs too."""
        if place.what == "queue":
            self._seen = set()
        for member in self._pages(place.key):
            job_id = as_text(member)
            if job_id in self._seen:
                self._repeated.add(job_id)
            self._seen.add(job_id)
            self._unseen.get(place.queue, set()).discard(job_id)
            yield place.subject(member)

    def _pages(self, key: str) -> Iterator[bytes]:
        start, last = 0, b""
        while True:
            page: list[Any] = self._redis.lrange(key, start, start + PAGE - 1)
            # All up to the last entry of the page before is known; it moved as workers took from the head.
            new = page[page.index(last) + 1 :] if last in page[:OVERLAP] else page
            yield from new
            if len(page) < PAGE:
                return
            start, last = start + PAGE - OVERLAP, page[-1]

    def _type(self, key: str) -> str:
        return as_text(self._redis.type(key))


def _chunks(subjects: Iterable[Subject], size: int) -> Iterator[list[Subject]]:
    source = iter(subjects)
    while chunk := list(islice(source, size)):
        yield chunk
