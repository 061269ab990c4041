"""Calls ``lua/doctor.lua``: many subjects in one round trip, each looked at in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import redis

from coatcheck.connection import as_text
from coatcheck.doctor.findings import KINDS, LOST, Finding
from coatcheck.doctor.subjects import Subject, named
from coatcheck.keys import Keys
from coatcheck.recovery import PATIENCE, sweep
from coatcheck.scripts import Scripts
from coatcheck.settings import Settings

EXPIRED_SECONDS = 60
"""How long after its expiry a job may still be listed: the janitors drop such entries every few seconds."""
OVERDUE_SECONDS = 15
"""How long an ended lease may wait for a janitor, which looks each second."""
NEAR_SECONDS = 15
"""A lease that ends as soon as this needs no doctor, even when its worker is gone."""
TOLERANCE_SECONDS = 5
"""By how much a registry's time of expiry may differ from the job's own."""
WORKER_TTL = 80
"""The time to live that a worker gives its record with each beat."""


class Doctor:
    """Takes a client of Redis and the settings of the namespace."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self.keys = Keys(settings.prefix)
        self._redis = client
        self._scripts = Scripts(client, settings.prefix)
        self._lease = settings.worker_lease
        self._lost = f"{settings.prefix}:doctor:lost"
        self._swept = f"{settings.prefix}:doctor:swept"
        self._limits = json.dumps(
            {
                "expired": EXPIRED_SECONDS,
                "overdue": OVERDUE_SECONDS,
                "near": NEAR_SECONDS,
                "tolerance": TOLERANCE_SECONDS,
                "patience": PATIENCE + OVERDUE_SECONDS,
                "worker_ttl": WORKER_TTL,
                "result_ttl": settings.result_ttl,
                "failure_ttl": settings.failure_ttl,
                "idempotency_ttl": settings.idempotency_ttl,
                "file_ttl": settings.upload_ttl + settings.failure_ttl,
            }
        )

    def call(self, mode: str, subjects: Sequence[Subject]) -> list[tuple[Subject, str, str]]:
        """What the script says of these subjects: the kind of finding and a detail, or ``queued``."""
        words = [word for subject in subjects for word in subject]
        keys = [self.keys.leases, self._lost, self._swept]
        answer: list[Any] = self._scripts.run("doctor", keys, mode, self._limits, *words)
        return [
            (subjects[number], as_text(kind), as_text(detail))
            for number, kind, detail in zip(answer[::3], answer[1::3], answer[2::3], strict=True)
        ]

    def findings(self, mode: str, subjects: Sequence[Subject]) -> list[Finding]:
        """The same as findings, with ``mode`` check or mend."""
        return [self._finding(*said) for said in self.call(mode, subjects)]

    def mend(self, subject: Subject) -> tuple[list[Finding], dict[str, str]]:
        """What was wrong with a subject and is mended, and the jobs that lost their worker by it.

        Such a job comes with its new status.
        """
        found = self.findings("mend", [subject])
        if not any(KINDS[finding.kind].remedy == LOST for finding in found):
            return found, {}
        lost = sweep(self._scripts, self._lost, self._swept, self._lease)
        self._redis.delete(self._lost, self._swept)
        return found, dict(lost)

    def _finding(self, subject: Subject, kind: str, detail: str) -> Finding:
        key, job = named(subject, self.keys)
        return Finding(kind, key, job, KINDS[kind].sentence.format(detail=detail), detail, subject)
