"""The judge: reads what the clients saw and what the tasks wrote down, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.history import MISSING, Asked, Broken, Case, History
from tests.chaos.journal import Run

Runs = dict[str, list[Run]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one run of the suite.

    ``grace``: seconds in which a run must have ended after its job has, or after a stop was granted. What is
    paused or cut off hears of it late, but no fault lasts as long.
    """

    history: History
    runs: Runs
    grace: float = 10.0

    @property
    def cases(self) -> list[Case]:
        """Every job."""
        return list(self.history.cases.values())

    @property
    def faults(self) -> list[Broken]:
        """Every fault that was made."""
        return self.history.faults

    def before(self, case: Case) -> list[Case]:
        """The jobs that a job comes after, those that are known."""
        return [self.history.cases[job] for job in case.after if job in self.history.cases]

    def reopened(self, case: Case) -> list[Asked]:
        """The requests that may have made a job live again: to retry it, or one that it comes after."""
        asked, found, line = [], {case.job}, [case]
        while line:
            each = line.pop()
            asked += each.retries()
            line += [other for other in self.before(each) if other.job not in found]
            found |= {other.job for other in line}
        return asked

    def runs_of(self, case: Case) -> list[Run]:
        """The runs of a job, as the journal tells them."""
        return self.runs.get(case.token, [])


@dataclass(frozen=True, slots=True)
class Problem:
    """A promise that was broken: which, of which job, and how."""

    rule: str
    job: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: job {self.job}: {self.text}"


Rule = Callable[[Evidence], Iterator[tuple[str, str]]]
"""Yields a job and what is wrong with it, for each promise that was broken."""


@dataclass(slots=True)
class Verdict:
    """What came out.

    ``recoveries``: seconds from the kill of a worker to the next run of its job, or to the job's end, each
    with whether no other fault was made meanwhile.
    """

    jobs: int
    runs: int
    faults: Counter[str]
    statuses: Counter[str]
    problems: list[Problem]
    lost: int
    duplicated: int
    recoveries: list[tuple[float, bool]] = field(default_factory=list)

    def slowest(self, *, alone: bool) -> float:
        """The slowest recovery in seconds: of those that no other fault held up, or of all."""
        return max((seconds for seconds, was_alone in self.recoveries if was_alone or not alone), default=0.0)


def judge(evidence: Evidence, rules: dict[str, Rule]) -> Verdict:
    """Hold every rule against the evidence."""
    problems = [Problem(name, job, text) for name, rule in rules.items() for job, text in rule(evidence)]
    last = Counter(case.seen[-1].status for case in evidence.cases if case.seen)
    return Verdict(
        jobs=len(evidence.cases),
        runs=sum(len(runs) for runs in evidence.runs.values()),
        faults=Counter(broken.kind for broken in evidence.faults),
        statuses=last,
        problems=problems,
        lost=sum(not case.ended for case in evidence.cases),
        duplicated=sum(_repeated(runs) for runs in evidence.runs.values()),
        recoveries=list(recoveries(evidence)),
    )


def _repeated(runs: list[Run]) -> int:
    """How many runs came after one that had not failed by itself."""
    return sum(earlier.how != "raised" for earlier in runs[:-1])


def recoveries(evidence: Evidence) -> Iterator[tuple[float, bool]]:
    """How long the job of each killed worker waited for what came next."""
    by_token = {case.token: case for case in evidence.cases}
    for kill in evidence.faults:
        if kill.kind != "kill-worker" or not kill.pid:
            continue
        before = [
            run
            for runs in evidence.runs.values()
            for run in runs
            if run.worker == kill.pid and run.began < kill.began
        ]
        run = max(before, key=lambda run: run.began, default=None)
        case = by_token.get(run.token) if run is not None else None
        if run is None or case is None or run.ended is not None:
            continue
        nexts = [other.began for other in evidence.runs_of(case) if other.began > run.began]
        nexts += [seen.answered for seen in case.seen if seen.ended]
        if not nexts or min(nexts) < kill.began:
            continue
        alone = not any(
            other is not kill and other.began < min(nexts) and other.ended > kill.began - 1
            for other in evidence.faults
        )
        yield min(nexts) - kill.began, alone


__all__ = ["MISSING", "Evidence", "Problem", "Rule", "Verdict", "judge", "recoveries"]
