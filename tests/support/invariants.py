"""What must hold in a namespace of Redis between any two steps, whatever died or was cut off.

Independent of the product's own code that reads it: it looks at the keys as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
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


def dependencies(job: dict[str, str]) -> list[str]:
    """The ids of the jobs that a job comes after. Takes its hash."""
    found: list[str] = json.loads(job.get("dependency_ids", "[]"))
    return found


class _Checker:
    def __init__(self, namespace: Namespace, expired: Collection[str]) -> None:
        self._namespace = namespace
        self._expired = set(expired)
        self._found: list[str] = []
        self._jobs: dict[str, dict[str, str]] = {
            rest: content for kind, rest, content in self._all() if kind == "job" and ":" not in rest
        }
        self._dependents: dict[str, list[str]] = defaultdict(list)
        for job_id, job in self._jobs.items():
            for each in dependencies(job):
                self._dependents[each].append(job_id)
        self._unsettled = {member for member, _ in self._content("unsettled", [])}
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
        self._check_dependents()
        self._check_batches()
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
        needed, unsettled = self._needed(job_id)
        if job.get("status") == "finished" and unsettled:
            return  # it may be needed or not
        for name in (f"job:{job_id}", f"results:{job_id}", f"log:{job_id}", f"job:{job_id}:dependents"):
            _, ttl = self._namespace.get(name, (None, None))
            right = ttl is None or (ttl >= 0) == (ended and not (job.get("status") == "finished" and needed))
            kind = name.replace(job_id, "...")
            self._demand(right, f"{job_id} is {job.get('status')}, but its {kind} lives for {ttl} s")

    def _needed(self, job_id: str) -> tuple[bool, bool]:
        """Whether a job that has not ended comes after it; and whether one that does is to be seen to."""
        dependents = self._dependents[job_id]
        unended = any(self._jobs[other].get("status") not in ENDED for other in dependents)
        return unended, bool(self._unsettled.intersection(dependents))

    def _check_dependents(self) -> None:
        """Each job that waits for others, or may come back to that, is known to them; none waits in vain."""
        listed: dict[str, set[str]] = {
            job_id: set(self._content(f"job:{job_id}:dependents", [])) for job_id in self._jobs
        }
        for name in self._namespace:
            if match := re.fullmatch(r"job:(?:([^:]+):dependents|:([^:]+):dependencies)", name):
                owner = match[1] or match[2]
                gone = owner not in self._jobs and owner not in self._expired
                self._demand(not gone, f"there is {name}, but no job")
        for job_id, job in self._jobs.items():
            after, status = dependencies(job), job.get("status")
            for other in listed[job_id]:
                knows = other not in self._jobs or job_id in dependencies(self._jobs[other])
                self._demand(
                    knows, f"{other} does not come after {job_id}, which has it among its dependents"
                )
            if not after:
                continue
            for_rq, ttl = self._namespace.get(f"job::{job_id}:dependencies", ([], -1))
            right = sorted(for_rq) == sorted(set(after)) and (ttl >= 0) == (status in ENDED)
            self._demand(right, f"{job_id} comes after {after}, for RQ's readers after {for_rq} ({ttl} s)")
            if job_id in self._unsettled:
                continue
            self._check_waiting(job_id, job, after)
            for each in set(after) & self._jobs.keys():
                finished = self._jobs[each].get("status") == "finished"
                wanted = status not in ENDED or ("failed_dependency" in job and not finished)
                wrong = f"{job_id} is {status} and comes after {each}, whose dependents are {listed[each]}"
                self._demand((job_id in listed[each]) == wanted, wrong)

    def _check_waiting(self, job_id: str, job: dict[str, str], after: list[str]) -> None:
        """A job waits for others as long as it has to, and no longer."""
        states = [self._jobs.get(each, {}).get("status") for each in after]
        unended = [state for state in states if state is not None and state not in ENDED]
        in_vain = [state for state in states if state in (None, "failed", "stopped", "canceled")]
        tolerant, status = job.get("allow_dependency_failures") == "1", job.get("status")
        told = f"{job_id} is {status}, and what it comes after is {states}"
        if status == "deferred":
            self._demand(bool(unended) and (tolerant or not in_vain), told)
        elif "failed_dependency" in job:
            self._demand(status == "canceled" and bool(in_vain) and not tolerant, told)
        elif status not in ENDED and not tolerant:
            self._demand(not unended and not in_vain, told)

    def _check_batches(self) -> None:
        """Of each batch it is known how many of its jobs have not ended; it is kept until all have."""
        for kind, rest, batch in self._all():
            if kind == "batch":
                jobs = [self._jobs[job_id] for job_id in batch["jobs"].split(",") if job_id in self._jobs]
                unended = sum(job.get("status") not in ENDED for job in jobs)
                ttl = self._namespace[f"batch:{rest}"][1]
                right = int(batch["open"]) == unended and (ttl >= 0) == (unended == 0)
                told = f"{unended} jobs that have not ended, not {batch['open']}; it lives {ttl} s"
                self._demand(right, f"batch {rest} has {told}")

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
