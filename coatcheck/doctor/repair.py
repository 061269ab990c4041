"""Mends what was found. Each subject is looked at again and mended in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import redis

from coatcheck.doctor.findings import KINDS, LOST, Finding
from coatcheck.doctor.script import Doctor
from coatcheck.recovery import BATCH, sweep
from coatcheck.scripts import Scripts
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
    scripts = Scripts(client, settings.prefix)
    mended: dict[tuple[str, object], Finding] = {}
    lost: dict[str, str] = {}
    looked_at = set()
    for finding in findings:
        if finding.subject not in looked_at:
            looked_at.add(finding.subject)
            now = doctor.findings("mend", [finding.subject])
            mended |= {(entry.kind, entry.subject): entry for entry in now}
            if any(KINDS[entry.kind].remedy == LOST for entry in now):
                # Its lease has ended now, so the sweep deals with it, as with any other.
                while len(swept := sweep(scripts, doctor.keys)) == BATCH:
                    lost |= swept
                lost |= swept
        entry = mended.get((finding.kind, finding.subject))
        yield Repair(finding, _told(finding, entry, lost))


def _told(finding: Finding, mended: Finding | None, lost: dict[str, str]) -> str | None:
    remedy = KINDS[finding.kind].remedy
    if remedy is None:
        return None
    if mended is None:
        return GONE
    text = remedy.format(detail=mended.detail)
    outcome = lost.get(finding.job or "")
    return f"{text}; it is {outcome} now" if remedy == LOST and outcome else text
