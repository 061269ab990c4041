"""How many containers there should be: CloudWatch's alarms and Application Auto Scaling's policies.

Sources: Application Auto Scaling user guide, "How target tracking scaling works" (cooldowns, rounding up,
scale-in some 10 % below the target) and "How step scaling works"; the alarms that a target tracking policy
makes look at 3 periods of a minute to scale out and at 15 to scale in. What AWS does not publish is assumed:
new = ceil(current x metric / target) both ways.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from infra.template import load_extra

OUT_PERIODS, IN_PERIODS = 3, 15
"""Periods of a minute that must all be above, or below, before a target tracking policy acts."""
IN_BELOW = 0.9
"""Share of the target below which it scales in."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one minute: jobs that wait and run, worker processes, and their share of a CPU."""

    waiting: int
    running: int
    workers: int
    cpu: float | None = None
    """None while no container runs: CloudWatch then has no datapoint."""

    @property
    def backlog_per_worker(self) -> float:
        """As functions/chalicelib/metrics.py publishes it."""
        return (self.waiting + self.running) / max(self.workers, 1)


class Policy(Protocol):
    """Decides each minute, once CloudWatch has the figures of the last one."""

    def decide(self, now: float, figures: Figures, current: int) -> int | None:
        """The wanted number of containers, None to leave it. Takes seconds, and the number wanted so far."""


class TargetTracking:
    """Keeps a figure at a target. Takes the figure's name, the target, and the two cooldowns in seconds."""

    def __init__(self, figure: str, target: float, out_cooldown: float, in_cooldown: float) -> None:
        self._figure = figure
        self._target = target
        self._out_cooldown = out_cooldown
        self._in_cooldown = in_cooldown
        self._seen: deque[float] = deque(maxlen=IN_PERIODS)
        self._grew, self._before = -math.inf, 0
        self._shrank = -math.inf

    def decide(self, now: float, figures: Figures, current: int) -> int | None:
        """See Policy. Missing figures change nothing."""
        value: float | None = getattr(figures, self._figure)
        if value is None:
            return None
        self._seen.append(value)
        latest = list(self._seen)[-OUT_PERIODS:]
        if len(latest) == OUT_PERIODS and min(latest) > self._target:
            return self._out(now, value, current)
        if len(self._seen) == IN_PERIODS and max(self._seen) < IN_BELOW * self._target:
            return self._in(now, value, current)
        return None

    def _out(self, now: float, value: float, current: int) -> int | None:
        # While it cools down, what the last step added counts as part of what is wanted now.
        cooling = now < self._grew + self._out_cooldown
        base = self._before if cooling else current
        wanted = max(1, math.ceil(base * value / self._target))
        if wanted <= current:
            return None
        if not cooling:
            self._grew, self._before = now, current
        return wanted

    def _in(self, now: float, value: float, current: int) -> int | None:
        wanted = math.ceil(current * value / self._target)
        if wanted >= current or now < self._shrank + self._in_cooldown:
            return None
        self._shrank = now
        return wanted


class WakeUp:
    """The step policy that starts a container when jobs wait and no worker runs.

    Takes how its adjustment is meant (``ExactCapacity`` or ``ChangeInCapacity``), the adjustment, the
    cooldown in seconds, and the periods that its alarm looks at.
    """

    def __init__(self, kind: str, adjustment: int, cooldown: float, periods: int) -> None:
        if kind not in ("ExactCapacity", "ChangeInCapacity"):
            raise ValueError(f"the model knows no adjustment {kind}")
        self._exact = kind == "ExactCapacity"
        self._adjustment = adjustment
        self._cooldown = cooldown
        self._seen: deque[bool] = deque(maxlen=periods)
        self._acted = -math.inf

    def decide(self, now: float, figures: Figures, current: int) -> int | None:
        """See Policy."""
        self._seen.append(figures.workers < 1 and figures.waiting > 0)
        if len(self._seen) < (self._seen.maxlen or 0) or not all(self._seen):
            return None
        if now < self._acted + self._cooldown:
            return None
        self._acted = now
        return self._adjustment if self._exact else current + self._adjustment


@dataclass(frozen=True, slots=True)
class Scaling:
    """What template.yaml says of scaling. Times in seconds."""

    minimum: int
    maximum: int
    backlog: float
    out_cooldown: float
    in_cooldown: float
    wake_kind: str
    wake_adjustment: int
    wake_cooldown: float
    wake_periods: int
    vcpu: float
    gigabytes: float

    def policies(self) -> list[Policy]:
        """The stack's policies; the wake-up is only made where no worker always runs."""
        policies: list[Policy] = [
            TargetTracking("backlog_per_worker", self.backlog, self.out_cooldown, self.in_cooldown)
        ]
        if self.minimum == 0:
            policies.append(
                WakeUp(self.wake_kind, self.wake_adjustment, self.wake_cooldown, self.wake_periods)
            )
        return policies


def from_template(template: Mapping[str, Any] | None = None) -> Scaling:
    """Read the scaling from template.yaml, or from one that is given; parameters have their defaults.

    Raises ValueError when the template scales by something that this model does not know.
    """
    template = load_extra() if template is None else template
    resources, parameters = template["Resources"], template["Parameters"]

    def value(node: Any) -> Any:
        return parameters[node["Ref"]]["Default"] if isinstance(node, dict) and "Ref" in node else node

    target = resources["WorkerScaling"]["Properties"]
    tracking = resources["WorkerScalingOnBacklog"]["Properties"]["TargetTrackingScalingPolicyConfiguration"]
    step = resources["WorkerWakeUp"]["Properties"]["StepScalingPolicyConfiguration"]
    alarm = resources["WorkerWakeUpAlarm"]["Properties"]
    size = template["Mappings"]["WorkerSizes"][parameters["WorkerSize"]["Default"]]
    (adjustment,) = step["StepAdjustments"]
    metric = tracking["CustomizedMetricSpecification"]
    if (metric["MetricName"], metric["Statistic"]) != ("BacklogPerWorker", "Average"):
        raise ValueError(f"the model does not know how to scale by {metric}")
    return Scaling(
        minimum=value(target["MinCapacity"]),
        maximum=value(target["MaxCapacity"]),
        backlog=value(tracking["TargetValue"]),
        out_cooldown=value(tracking["ScaleOutCooldown"]),
        in_cooldown=value(tracking["ScaleInCooldown"]),
        wake_kind=step["AdjustmentType"],
        wake_adjustment=adjustment["ScalingAdjustment"],
        wake_cooldown=step["Cooldown"],
        wake_periods=alarm["EvaluationPeriods"],
        vcpu=int(size["Cpu"]) / 1024,
        gigabytes=int(size["Memory"]) / 1024,
    )
