"""What must hold in a namespace of Redis between any two steps, whatever died or was cut off.

Independent of the product's own code that reads it: it looks at the keys as they are.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Collection

import redis

ENDED = {"finished": "finished", "failed": "failed", "stopped": "failed", "canceled": "canceled"}
"""The registry that holds an ended job, by its status."""
SETS = ("scheduled", "deferred", "wip", "finished", "failed", "canceled")
DAMAGE = 0.001
"""Seconds by which two writings of one time may differ."""


def violations(client: redis.Redis, prefix: str, *, expired: Collection[str] = ()) -> list[str]:
    """Everything that is wrong in the namespace, in sentences; empty when nothing is.

    Takes the ids that may have left traces because their time to live is over. Nothing may change meanwhile.
    """
    return _Checker(client, prefix, expired).check()


class _Checker:
    def __init__(self, client: redis.Redis, prefix: str, expired: Collection[str]) -> None:
        self._client = client
        self._expired = expired
        self._found: list[str] = []
        names = (key.decode().removeprefix(f"{prefix}:") for key in client.scan_iter(f"{prefix}:*", count=5000))
        self._names = sorted(names)
        self._prefix = prefix
        self._jobs = {name[4:]: self._hash(name) for name in self._names if name.startswith("job:")}
        self._leases = {member for member, _ in self._scores("leases")}
        self._places: dict[str, list[str]] = defaultdict(list)

    def check(self) -> list[str]:
        self._find_places()
        for job_id, job in self._jobs.items():
            self._check_job(job_id, job)
        for job_id in set(self._places) - set(self._jobs) - set(self._expired):
            self._say(f"{job_id} is no job, but on {self._places[job_id]}")
        self._check_index()
        self._check_leases()
        return self._found

    def _check_job(self, job_id: str, job: dict[str, str]) -> None:
        status, queue = job.get("status", ""), job.get("origin", "")
        for field in ("status", "origin", "data", "created_at", "timeout", "result_ttl", "failure_ttl"):
            if not job.get(field):
                self._say(f"{job_id} has no {field}: it was not written whole")
        places = self._places[job_id]
        if places not in self._right_places(job_id, job, status, queue):
            self._say(f"{job_id} is {status}, but on {places or 'no list'}")
        ended = status in ENDED
        if bool(job.get("ended_at")) != ended:
            self._say(f"{job_id} is {status}, but its end is {job.get('ended_at')!r}")
        for kind in ("job", "results", "log"):
            ttl = self._client.ttl(f"{self._prefix}:{kind}:{job_id}")
            if ttl != -2 and (ttl > 0) != ended:
                self._say(f"{job_id} is {status}, but its {kind} has the time to live {ttl}")
        if status == "finished" and self._last_record(job_id) != b"1":
            self._say(f"{job_id} is finished without a result")
        if status == "scheduled" and not self._is_due_as_told(job_id, job):
            self._say(f"{job_id} is due at another time than its hash tells")
        left, retries = int(job.get("retries_left", "0")), int(job.get("retries", "0"))
        if not 0 <= left <= retries:
            self._say(f"{job_id} has {left} of {retries} retries left")
        if int(job.get("attempt", "0")) < 0:
            self._say(f"{job_id} has a negative number of attempts")

    def _right_places(self, job_id: str, job: dict[str, str], status: str, queue: str) -> list[list[str]]:
        if status == "queued":
            return [[f"queue:{queue}"], [f"queue:{queue}:intermediate"]]
        if status == "started":
            return [[f"wip:{queue}"]] if f"{job_id}:{job.get('execution')}" in self._leases else []
        return [[f"{ENDED.get(status, status)}:{queue}"]]

    def _find_places(self) -> None:
        for name in self._names:
            if re.match(r"queue:", name):
                for member in self._client.lrange(f"{self._prefix}:{name}", 0, -1):
                    self._places[member.decode()].append(name)
            elif name.startswith(tuple(f"{kind}:" for kind in SETS)):
                for member, score in self._scores(name):
                    job_id, _, execution = member.partition(":")
                    if name.startswith("wip:") and member not in self._leases:
                        self._say(f"{job_id} runs as {execution}, but has no such lease")
                    if job_id in self._jobs or score > time.time():
                        self._places[job_id].append(name)

    def _check_index(self) -> None:
        index = {member for member, _ in self._scores("index")}
        if missing := set(self._jobs) - index:
            self._say(f"{sorted(missing)} are not in the index")
        if gone := index - set(self._jobs) - set(self._expired):
            self._say(f"{sorted(gone)} are in the index, but lost")

    def _check_leases(self) -> None:
        """Each lease is of a started job, and what RQ's readers see of it is there, and nothing else."""
        for member in self._leases:
            job_id, _, execution = member.partition(":")
            job = self._jobs.get(job_id, {})
            if (job.get("status"), job.get("execution")) != ("started", execution):
                self._say(f"there is a lease {member}, but the job is {job.get('status')}")
        told: set[str] = set()
        of_jobs: set[str] = set()
        of_workers: set[str] = set()
        for name in self._names:
            kind, _, rest = name.partition(":")
            if kind == "execution":
                told.add(rest)
            elif kind == "executions":
                of_jobs |= {f"{rest}:{execution}" for execution, _ in self._scores(name)}
            elif kind == "worker" and name.endswith(":executions"):
                members = self._client.smembers(f"{self._prefix}:{name}")
                of_workers |= {member.decode() for member in members}
        for what, members in (("hashes", told), ("lists of jobs", of_jobs), ("lists of workers", of_workers)):
            if members != self._leases:
                self._say(f"leases and {what} of executions differ by {sorted(members ^ self._leases)}")

    def _is_due_as_told(self, job_id: str, job: dict[str, str]) -> bool:
        score = self._client.zscore(f"{self._prefix}:scheduled:{job['origin']}", job_id)
        return score is not None and abs(score - float(job.get("scheduled_for", "0"))) < DAMAGE

    def _last_record(self, job_id: str) -> bytes | None:
        records = self._client.xrevrange(f"{self._prefix}:results:{job_id}", count=1)
        return records[0][1].get(b"type") if records else None

    def _hash(self, name: str) -> dict[str, str]:
        fields = self._client.hgetall(f"{self._prefix}:{name}")
        return {field.decode(): value.decode("utf-8", "replace") for field, value in fields.items()}

    def _scores(self, name: str) -> list[tuple[str, float]]:
        members = self._client.zrange(f"{self._prefix}:{name}", 0, -1, withscores=True)
        return [(member.decode(), score) for member, score in members]

    def _say(self, sentence: str) -> None:
        self._found.append(sentence)
