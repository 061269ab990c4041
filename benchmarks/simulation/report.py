"""Runs the scenarios with several ways to scale, and writes what came out as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from benchmarks import prices
from benchmarks.simulation.load import SCENARIOS, SEED, Scenario
from benchmarks.simulation.scaling import Policy, Scaling, TargetTracking
from benchmarks.simulation.stack import Bounds, Outcome, Stack

CPU_TARGET = 60.0
"""Percent of the CPU that the policy which we compare with keeps."""
WAITING_TASKS = 0.3
"""Share of a CPU that a task uses which mostly waits, for a database or for another service."""
COSTED = ("steady day", "nightly batch")
"""The loads that say how busy workers are, where a million jobs are reckoned."""
SWEPT: dict[str, tuple[str, tuple[float, ...]]] = {
    "backlog": ("`WorkerBacklog`", (1, 2, 5, 10, 20, 40)),
    "out_cooldown": ("`ScaleOutCooldown`, s", (60, 120, 180, 300)),
    "in_cooldown": ("`ScaleInCooldown`, s", (60, 300, 900, 1800)),
    "minimum": ("`WorkerMin`", (0, 1, 2)),
}
"""What is tried beside the template's values: the field of Scaling, its name, the values."""


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario with one way to scale it."""

    scenario: Scenario
    policy: str
    outcome: Outcome
    cost: float


@dataclass(frozen=True, slots=True)
class Trial:
    """All scenarios with one setting changed."""

    setting: str
    value: float
    chosen: bool
    """Whether it is the template's value."""
    cost: float
    late: float
    """Share of the jobs that waited longer than accepted."""
    score: float
    """See Report.score; the template's is 1."""


class Report:
    """Takes what the template says of scaling, and the seed of the loads."""

    def __init__(self, scaling: Scaling, seed: int = SEED, scenarios: Sequence[Scenario] = SCENARIOS) -> None:
        self._scaling = scaling
        self._seed = seed
        self._scenarios = scenarios
        self._kept: dict[tuple[str, Scaling], Outcome] = {}

    def _run(
        self, scenario: Scenario, bounds: Bounds, policies: Sequence[Policy], share: float = 1.0
    ) -> Outcome:
        jobs = scenario.jobs(self._seed)
        return Stack(jobs, bounds, policies, scenario.length, cpu_share=share, seed=self._seed).run()

    def _scaled(self, scenario: Scenario, scaling: Scaling) -> Outcome:
        """A scenario with the stack's own policies."""
        key = (scenario.name, scaling)
        if key not in self._kept:
            bounds = Bounds(scaling.minimum, scaling.maximum)
            self._kept[key] = self._run(scenario, bounds, scaling.policies())
        return self._kept[key]

    def _cost(self, outcome: Outcome) -> float:
        return outcome.cost(self._scaling.vcpu, self._scaling.gigabytes)

    @cached_property
    def rows(self) -> list[Row]:
        """Every scenario with every way to scale."""
        return [row for scenario in self._scenarios for row in self._compared(scenario)]

    def _compared(self, scenario: Scenario) -> list[Row]:
        ours = self._scaling
        bounds = Bounds(ours.minimum, ours.maximum)

        def cpu(share: float) -> Outcome:
            tracking = TargetTracking("cpu", CPU_TARGET, ours.out_cooldown, ours.in_cooldown)
            return self._run(scenario, bounds, [tracking], share)

        def fixed(number: int) -> Outcome:
            return self._run(scenario, Bounds(number, number), [])

        template = self._scaled(scenario, ours)
        as_dear = max(1, round(template.charged / scenario.length))
        outcomes = {
            f"backlog of {ours.backlog:g} (the template)": template,
            "the same, `WorkerMin=0`": self._scaled(scenario, replace(ours, minimum=0)),
            "CPU 60 %, tasks that compute": cpu(1.0),
            "CPU 60 %, tasks that wait": cpu(WAITING_TASKS),
            f"fixed, for about the same money: {as_dear}": fixed(as_dear),
            f"fixed, `WorkerMax`: {ours.maximum}": fixed(ours.maximum),
        }
        return [Row(scenario, name, outcome, self._cost(outcome)) for name, outcome in outcomes.items()]

    def score(self, scaling: Scaling) -> float:
        """What we want little of: p99 wait x cost, the geometric mean over the scenarios.

        A wait below the accepted one counts as the accepted one: nobody pays for less.
        """
        total = 0.0
        for scenario in self._scenarios:
            outcome = self._scaled(scenario, scaling)
            total += math.log(max(outcome.percentile(0.99), scenario.accepted) * self._cost(outcome))
        return math.exp(total / len(self._scenarios))

    @cached_property
    def trials(self) -> list[Trial]:
        """The template's settings, each with other values while the rest stays."""
        ours = self._scaling
        return [
            self._trial(title, field, value)
            for field, (title, values) in SWEPT.items()
            for value in sorted({*values, getattr(ours, field)})
        ]

    def _trial(self, title: str, field: str, value: float) -> Trial:
        ours = self._scaling
        changed = replace(ours, **{field: value})  # type: ignore[arg-type]
        outcomes = [(scenario, self._scaled(scenario, changed)) for scenario in self._scenarios]
        late = sum(outcome.late(scenario.accepted) for scenario, outcome in outcomes)
        jobs = sum(len(outcome.waits) for _, outcome in outcomes)
        return Trial(
            title,
            value,
            value == getattr(ours, field),
            sum(self._cost(outcome) for _, outcome in outcomes),
            late / jobs,
            self.score(changed) / self.score(ours),
        )

    def comparison(self) -> str:
        """The rows as a Markdown table."""
        lines = [
            "| load | scaled by | p50 wait, s | p99 wait, s | late jobs | worker hours | USD |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for row in self.rows:
            outcome = row.outcome
            late = 100 * outcome.late(row.scenario.accepted) / len(outcome.waits)
            lines.append(
                f"| {row.scenario.name} | {row.policy} | {outcome.percentile(0.5):,.0f} "
                f"| {outcome.percentile(0.99):,.0f} | {late:.1f} % | {outcome.hours:,.1f} | {row.cost:.2f} |"
            )
        return "\n".join(lines)

    def sweep(self) -> str:
        """The trials as a Markdown table; the template's values are bold."""
        lines = ["| setting | value | USD | late jobs | p99 x cost |", "| --- | --- | --- | --- | --- |"]
        for trial in self.trials:
            value = f"**{trial.value:g}**" if trial.chosen else f"{trial.value:g}"
            figures = f"{trial.cost:.2f} | {100 * trial.late:.1f} % | {trial.score:.2f}"
            lines.append(f"| {trial.setting} | {value} | {figures} |")
        return "\n".join(lines)

    def busy(self, name: str) -> float:
        """The share of the containers' time that was work, on the load of this name as the stack scales."""
        scenario = next(scenario for scenario in self._scenarios if scenario.name == name)
        work = sum(job.runs for job in scenario.jobs(self._seed))
        return work / self._scaled(scenario, self._scaling).charged

    def costs(self) -> str:
        """What a million jobs cost here and on SQS and Lambda, by their time, as a Markdown table."""
        hour = prices.container_hour(self._scaling.vcpu, self._scaling.gigabytes)
        shares = {name: self.busy(name) for name in COSTED}
        heads = [f"as busy as on the {name} ({100 * share:.0f} %)" for name, share in shares.items()]
        lines = [
            f"| a job runs | Coatcheck, {' | '.join(heads)} | SQS and Lambda | cheaper from, jobs a month |",
            f"| --- | {'--- | ' * (len(heads) + 2)}".rstrip(),
        ]
        for seconds in (1, 6, 60, 600):
            ours = [1e6 * seconds / 3600 * hour / share for share in shares.values()]
            theirs = 1e6 * prices.lambda_job(seconds)
            least = math.ceil(prices.queue_month() / (theirs - ours[0]) * 1e6)
            cells = " | ".join(f"{cost:,.2f}" for cost in [*ours, theirs])
            lines.append(f"| {seconds} s | {cells} | {least:,} |")
        return "\n".join(lines)

    def loads(self) -> str:
        """The scenarios as a Markdown table."""
        lines = ["| load | what comes | jobs | hours of work |", "| --- | --- | --- | --- |"]
        for scenario in self._scenarios:
            jobs = scenario.jobs(self._seed)
            work = sum(job.runs for job in jobs) / 3600
            lines.append(f"| {scenario.name} | {scenario.story} | {len(jobs):,} | {work:.1f} |")
        return "\n".join(lines)
