"""Mends what was found. Each subject is looked at again and mended in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import redis

from coatcheck.doctor.findings import KINDS, LOST, Finding
from coatcheck.doctor.script import Doctor
from coatcheck.doctor.subjects import Subject
from coatcheck.settings import Settings

GONE = "found well when it was looked at again"


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of a finding: ``done`` tells it, None when it was left as it is."""

    finding: Finding
    done: str | None


def repair(client: redis.Redis, settings: Settings, findings: Sequence[Finding]) -> Iterator[Repair]:
    """Mend what ``examine`` found, one after another, and yield what became of each.

    In its order: a job is put where it belongs before it is removed from elsewhere.

    Raises redis.RedisError; what was mended until then stays so.
    """
    doctor = Doctor(client, settings)
    mended: dict[tuple[str, Subject], Finding] = {}
    lost: dict[str, str] = {}
    looked_at = set()
    for finding in findings:
        subject = finding.subject
        if subject not in looked_at:
            looked_at.add(subject)
            now, swept = doctor.mend(subject)
            mended |= {(entry.kind, subject): entry for entry in now}
            lost |= swept
        yield Repair(finding, _told(finding, mended.get((finding.kind, subject)), lost))


def _told(finding: Finding, mended: Finding | None, lost: dict[str, str]) -> str | None:
    remedy = KINDS[finding.kind].remedy
    if remedy is None:
        return None
    if mended is None:
        return GONE
    text = remedy.format(detail=mended.detail)
    outcome = lost.get(finding.job or "")
    return f"{text}; it is {outcome} now" if remedy == LOST and outcome else text
