"""What must hold in a namespace of Redis between any two steps, whatever died or was cut off.

Independent of the product's own code that reads it: it looks at the keys as they are.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import redis

ENDED = {"finished": "finished", "failed": "failed", "stopped": "failed", "canceled": "canceled"}
"""The registry that holds an ended job, by its status."""
WAITING = ("queued", "scheduled", "deferred")
STATUSES = (*WAITING, "started", *ENDED)
REGISTRIES = ("scheduled", "deferred", "wip", "finished", "failed", "canceled")
WHOLE = ("status", "origin", "data", "created_at", "timeout", "result_ttl", "failure_ttl")
"""What the hash of every job has."""
SAME = 0.001
"""Seconds by which two writings of one time may differ."""


def violations(client: redis.Redis, prefix: str, *, expired: Collection[str] = ()) -> list[str]:
    """Everything that is wrong in the namespace, in sentences; empty when nothing is.

    Takes the ids of which traces may be left, because their time to live is over. Nothing may change
    meanwhile.
    """
    return _Checker(_read(client, prefix), expired).check()


Namespace = dict[str, tuple[Any, int]]
"""By a key's name without the prefix: what it holds, and its time to live in seconds (-1: for ever)."""


def _read(client: redis.Redis, prefix: str) -> Namespace:
    keys = sorted(client.scan_iter(f"{prefix}:*", count=10_000))
    types = client.pipeline(transaction=False)
    for key in keys:
        types.type(key)
    contents = client.pipeline(transaction=False)
    for key, kind in zip(keys, types.execute(), strict=True):
        if kind == b"hash":
            contents.hgetall(key)
        elif kind == b"list":
            contents.lrange(key, 0, -1)
        elif kind == b"zset":
            contents.zrange(key, 0, -1, withscores=True)
        elif kind == b"set":
            contents.smembers(key)
        elif kind == b"stream":
            contents.xrange(key)
        else:
            contents.get(key)
        contents.ttl(key)
    answers = contents.execute()
    names = [key.decode().removeprefix(f"{prefix}:") for key in keys]
    return {
        name: (_text(content), ttl)
        for name, content, ttl in zip(names, answers[::2], answers[1::2], strict=True)
    }


def _text(content: Any) -> Any:
    """Bytes as text, however deep."""
    if isinstance(content, bytes):
        return content.decode("utf-8", "replace")
    if isinstance(content, dict):
        return {_text(name): _text(value) for name, value in content.items()}
    if isinstance(content, list | tuple | set):
        return [_text(part) for part in content]
    return content


def place(name: str, status: str) -> float:
    """Where the lists of jobs have those of a queue or an owner that have a status."""
    return int(hashlib.sha1(name.encode()).hexdigest()[:11], 16) * 16 + 1 + STATUSES.index(status)


class _Checker:
    def __init__(self, namespace: Namespace, expired: Collection[str]) -> None:
        self._namespace = namespace
        self._expired = set(expired)
        self._found: list[str] = []
        self._jobs: dict[str, dict[str, str]] = {
            rest: content for kind, rest, content in self._all() if kind == "job"
        }
        self._leases = {member for member, _ in self._content("leases", [])}
        self._places: dict[str, list[str]] = defaultdict(list)

    def check(self) -> list[str]:
        self._find_places()
        for job_id, job in self._jobs.items():
            self._check_fields(job_id, job)
            self._check_place(job_id, job)
            self._check_times_to_live(job_id, job)
        self._check_strangers()
        self._check_leases()
        self._check_counts()
        return self._found

    def _check_fields(self, job_id: str, job: dict[str, str]) -> None:
        status = job.get("status")
        for name in WHOLE:
            self._demand(bool(job.get(name)), f"{job_id} has no {name}: it was not written whole")
        self._demand(
            bool(job.get("ended_at")) == (status in ENDED),
            f"{job_id} is {status}, ended {job.get('ended_at')}",
        )
        left, retries = int(job.get("retries_left", "0")), int(job.get("retries", "0"))
        self._demand(0 <= left <= retries, f"{job_id} has {left} of {retries} retries left")
        lost, interrupted = int(job.get("lost", "0")), int(job.get("interrupted", "0"))
        self._demand(0 <= lost <= interrupted, f"{job_id} lost {lost} workers in {interrupted} interruptions")
        self._demand(int(job.get("attempt", "0")) >= (status == "started"), f"{job_id} has too few attempts")

    def _check_place(self, job_id: str, job: dict[str, str]) -> None:
        status, queue, places = job.get("status", ""), job.get("origin", ""), self._places[job_id]
        right = [[f"{ENDED.get(status, status)}:{queue}"]]
        if status == "queued":
            right = [[f"queue:{queue}"], [f"queue:{queue}:intermediate"]]
        elif status == "started":
            right = [[f"wip:{queue}"]] if f"{job_id}:{job.get('execution')}" in self._leases else []
        self._demand(places in right, f"{job_id} is {status}, but on {places or 'no list'}")
        if status == "scheduled":
            due = dict(self._content(f"scheduled:{queue}", [])).get(job_id, 0)
            told = float(job.get("scheduled_for", "0"))
            self._demand(abs(due - told) < SAME, f"{job_id} is due at {due}, not at {told} as it tells")
        if status == "finished":
            records = self._content(f"results:{job_id}", [])
            good = bool(records) and records[-1][1].get("type") == "1"
            self._demand(good, f"{job_id} is finished without a result")

    def _check_times_to_live(self, job_id: str, job: dict[str, str]) -> None:
        ended = job.get("status") in ENDED
        for kind in ("job", "results", "log"):
            _, ttl = self._namespace.get(f"{kind}:{job_id}", (None, None))
            right = ttl is None or (ttl >= 0) == ended
            self._demand(right, f"{job_id} is {job.get('status')}, but its {kind} lives for {ttl} s")

    def _find_places(self) -> None:
        now = time.time()
        for kind, rest, content in self._all():
            if kind == "queue":
                for job_id in content:
                    self._places[job_id].append(f"{kind}:{rest}")
            elif kind in REGISTRIES:
                for member, score in content:
                    job_id = member.partition(":")[0]
                    if job_id in self._jobs or score > now:
                        self._places[job_id].append(f"{kind}:{rest}")

    def _check_strangers(self) -> None:
        """Nothing is left of a job that is not there, and each that is there is listed."""
        for job_id in set(self._places) - set(self._jobs) - self._expired:
            self._demand(False, f"{job_id} is no job, but on {self._places[job_id]}")
        for kind, by in (("index", "origin"), ("owned", "owner")):
            listed = dict(self._content(kind, []))
            right = {job_id: job for job_id, job in self._jobs.items() if job.get(by)}
            for job_id in set(listed) ^ set(right):
                where = f"the {kind}, but lost" if job_id in listed else f"Redis, but not in the {kind}"
                self._demand(job_id in self._expired, f"{job_id} is in {where}")
            for job_id, score in listed.items():
                job = right.get(job_id)
                # RQ's own tools may have deferred it, of which the lists learn by the janitor.
                if job and job.get("status") in STATUSES and job["status"] != "deferred":
                    wrong = f"{job_id} is {job['status']}, but has score {score:.0f} in the {kind}"
                    self._demand(score == place(job[by], job["status"]), wrong)
        for kind, rest, _ in self._all():
            if kind in ("results", "log"):
                self._demand(rest in self._jobs, f"{rest} has a {kind}, but is no job")

    def _check_leases(self) -> None:
        """Each lease is of a started job; what RQ's readers see of it is there, and nothing else."""
        for member in self._leases:
            job_id, _, execution = member.partition(":")
            job = self._jobs.get(job_id, {})
            right = (job.get("status"), job.get("execution")) == ("started", execution)
            self._demand(right, f"there is a lease {member}, but the job is {job.get('status')}")
        told: dict[str, set[str]] = {"execution": set(), "executions": set(), "wip": set(), "worker": set()}
        for kind, rest, content in self._all():
            if kind == "execution":
                told[kind].add(rest)
            elif kind == "executions":
                told[kind] |= {f"{rest}:{execution}" for execution, _ in content}
            elif kind == "wip":
                told[kind] |= {member for member, _ in content}
            elif kind == "worker" and rest.endswith(":executions"):
                told[kind] |= set(content)
        for kind, members in told.items():
            odd = sorted(members ^ self._leases)
            self._demand(not odd, f"leases and what {kind} tells of executions differ by {odd}")

    def _check_counts(self) -> None:
        """The waiting jobs of each owner are counted, and nothing else."""
        right: dict[str, set[str]] = defaultdict(set)
        for job_id, job in self._jobs.items():
            if job.get("owner") and job.get("status") in WAITING:
                right[hashlib.sha1(job["owner"].encode()).hexdigest()].add(job_id)
        told = {rest: set(content) for kind, rest, content in self._all() if kind == "waiting"}
        for owner in right.keys() | told.keys():
            odd = sorted(right[owner] ^ told.get(owner, set()))
            self._demand(not odd, f"the waiting jobs of {owner} are counted wrong: {odd}")

    def _all(self) -> list[tuple[str, str, Any]]:
        """Each key: its kind, the rest of its name, what it holds."""
        return [
            (name.partition(":")[0], name.partition(":")[2], content)
            for name, (content, _) in self._namespace.items()
        ]

    def _content(self, name: str, default: Any) -> Any:
        return self._namespace.get(name, (default, -1))[0]

    def _demand(self, right: bool, otherwise: str) -> None:
        if not right:
            self._found.append(otherwise)
