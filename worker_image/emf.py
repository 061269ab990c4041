"""The pool's figures for CloudWatch: lines on standard output, each minute one for each task that ran.

In CloudWatch's embedded metric format, as the queues' figures (``functions/chalicelib/metrics.py``): a metric
costs by the month and the line by its size, whatever the number of jobs in it.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "Coatcheck"
INTERVAL = 60.0
MAX_VALUES = 100
"""Most values of one metric in a line ("Specification: Embedded metric format")."""
UNITS = {
    "FinishedRuns": "Count",
    "FailedRuns": "Count",
    "RunSeconds": "Seconds",
    "WaitSeconds": "Seconds",
    "HorseStarts": "Count",
    "WorkerStarts": "Count",
    "LeasesLost": "Count",
    "RedisFailures": "Count",
}
FAILURES = ("failed", "retried", "lost", "unrecorded")


@dataclass
class Runs:
    """The runs of one task in one minute. Of very many a random sample of times is kept."""

    outcomes: Counter[str] = field(default_factory=Counter)
    times: list[tuple[float, float]] = field(default_factory=list)

    def add(self, outcome: str, seconds: float, waited: float) -> None:
        """Count a run."""
        self.outcomes[outcome] += 1
        if len(self.times) < MAX_VALUES:
            self.times.append((seconds, waited))
        elif (place := random.randrange(self.outcomes.total())) < MAX_VALUES:
            self.times[place] = (seconds, waited)


class Minutes:
    """Gathers, and prints each minute. Takes the stack's name."""

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._runs: defaultdict[str, Runs] = defaultdict(Runs)
        self._events: Counter[str] = Counter()
        self._due = time.monotonic() + INTERVAL

    def run(self, queue: str, task: str, outcome: str, seconds: float, waited: float) -> None:
        """Take the end of a run."""
        self._runs[task].add(outcome, seconds, waited)

    def event(self, name: str, number: int) -> None:
        """Count something."""
        self._events["".join(part.title() for part in name.split("_"))] += number

    def tick(self) -> None:
        """Print what a minute brought."""
        if time.monotonic() >= self._due:
            self.close()
            self._due = time.monotonic() + INTERVAL

    def close(self) -> None:
        """Print what there is, and begin anew."""
        for task, runs in sorted(self._runs.items()):
            figures = {
                "FinishedRuns": runs.outcomes["finished"],
                "FailedRuns": sum(runs.outcomes[word] for word in FAILURES),
                "RunSeconds": [seconds for seconds, _ in runs.times],
                "WaitSeconds": [waited for _, waited in runs.times],
            }
            self._print({"Task": task}, figures, dict(runs.outcomes))
        if self._events:
            self._print({}, dict(self._events), {})
        self._runs.clear()
        self._events.clear()

    def _print(self, more: dict[str, str], figures: dict[str, Any], outcomes: dict[str, int]) -> None:
        dimensions = {"Stack": self._stack, **more}
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(dimensions)],
            "Metrics": [{"Name": name, "Unit": UNITS[name]} for name in figures],
        }
        head = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}}
        shown = {"outcomes": outcomes} if outcomes else {}
        print(json.dumps({**head, **dimensions, **figures, **shown}), flush=True)
