"""What the clients saw, with times: the one half of the evidence. The other is the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENDED = frozenset({"finished", "failed", "stopped", "canceled"})
"""Statuses that only a client's retry may change. Written out: the checker trusts no code of ours."""
MISSING = "missing"
"""What stands for a status when the API says that there is no such job."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer about a job. Times are of the monotonic clock, in seconds: asked and answered."""

    asked: float
    answered: float
    status: str
    document: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether the job was over."""
        return self.status in ENDED


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to change a job: ``cancel`` or ``retry``. ``status`` 0: the answer is not known."""

    what: str
    asked: float
    answered: float
    status: int
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Case:
    """All that clients know of one job. ``acknowledged``: a client had a 202 for it."""

    job: str
    token: str
    task: str
    acknowledged: bool = True
    seen: list[Seen] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    log: str | None = None

    @property
    def last(self) -> Seen | None:
        """The last answer."""
        return self.seen[-1] if self.seen else None

    @property
    def ended(self) -> bool:
        """Whether the last answer was that it is over."""
        return bool(self.seen) and self.seen[-1].ended

    @property
    def after(self) -> list[str]:
        """The ids of the jobs that it comes after."""
        return list(self.seen[0].document.get("after", ())) if self.seen else []

    def look(self, seen: Seen) -> None:
        """Take an answer in. Of a row of equal ones only the first and the last are kept."""
        if len(self.seen) >= 2 and self.seen[-1].document == self.seen[-2].document == seen.document:
            self.seen[-1] = seen
        else:
            self.seen.append(seen)

    def retries(self) -> list[Asked]:
        """The requests to run it again that were granted, or may have been."""
        return [asked for asked in self.asked if asked.what == "retry" and asked.status not in (404, 409)]


@dataclass(slots=True)
class Broken:
    """One fault that was made, from when to when. ``pid``: the process that it hit, or 0."""

    kind: str
    began: float
    ended: float = float("inf")
    pid: int = 0


@dataclass(slots=True)
class History:
    """What all clients saw.

    ``jobs``: which ids a token was answered with; ``wrong``: answers that no request of ours may get;
    ``unanswered``: requests without a key whose answer did not come; ``findings``: the doctor's.
    """

    cases: dict[str, Case] = field(default_factory=dict)
    jobs: dict[str, set[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    unanswered: int = 0
    findings: list[str] = field(default_factory=list)
    faults: list[Broken] = field(default_factory=list)
