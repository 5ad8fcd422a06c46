"""How many tasks a policy asks for, as the Application Auto Scaling User Guide (November 2026) has it:
step-scaling-policy-overview.html, target-tracking-scaling-policy-overview.html.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.support.scaling.alarms import Rule

#: What AWS's alarms of a target-tracking policy were seen to be: see the package.
OUT_MINUTES: Final = 3
IN_MINUTES: Final = 15
IN_BELOW: Final = 0.9


def tracked(capacity: int, metric: float, target: float) -> int:
    """What a target-tracking policy asks for: of no task it makes none."""
    return math.ceil(capacity * metric / target)


def high(target: float) -> Rule:
    """The alarm by which a target-tracking policy scales out."""
    return Rule("GreaterThanThreshold", target, OUT_MINUTES, OUT_MINUTES)


def low(target: float) -> Rule:
    """The alarm by which it scales in."""
    return Rule("LessThanThreshold", IN_BELOW * target, IN_MINUTES, IN_MINUTES)


def stepped(capacity: int, metric: float, threshold: float, policy: Mapping[str, Any]) -> int:
    """What a step policy (`StepScalingPolicyConfiguration`) asks for, where its alarm has this threshold."""
    by = _adjustment(metric - threshold, policy["StepAdjustments"])
    if by is None:
        return capacity
    match policy["AdjustmentType"]:
        case "ExactCapacity":
            return by
        case "ChangeInCapacity":
            return max(0, capacity + by)
        case "PercentChangeInCapacity":
            least = policy.get("MinAdjustmentMagnitude", 0)
            change = _rounded(capacity * by / 100)
            return max(0, capacity + int(math.copysign(max(abs(change), least), by)) if by else capacity)
    raise ValueError(policy["AdjustmentType"])


def _adjustment(beyond: float, steps: Sequence[Mapping[str, Any]]) -> int | None:
    """Above the threshold the lower bound belongs to a step, below it the upper bound."""
    for step in steps:
        lower, upper = step.get("MetricIntervalLowerBound", -math.inf), step.get("MetricIntervalUpperBound", math.inf)
        if lower <= beyond < upper if beyond >= 0 and lower >= 0 else lower < beyond <= upper:
            return int(step["ScalingAdjustment"])
    return None


def _rounded(change: float) -> int:
    """Towards zero; but what is less than one task is one."""
    if 0 < abs(change) < 1:
        return int(math.copysign(1, change))
    return math.trunc(change)


@dataclass
class Cooldowns:
    """What the last changes forbid. Times are seconds of the loop's clock."""

    out_until: float = -math.inf
    in_until: float = -math.inf
    #: How many there were before the change out that is cooling down.
    before: int = 0
    _out_seconds: float = 0.0

    def base(self, now: float, capacity: int) -> int:
        """What a change out is computed from: what was added already is part of it, and not once more its base."""
        return self.before if now < self.out_until else capacity

    def scaled_out(self, now: float, capacity: int, seconds: float) -> None:
        """A change out begins a cool-down, unless it only adds to one, and ends one of a change in."""
        if now >= self.out_until:
            self.before = capacity
        self.out_until, self.in_until, self._out_seconds = now + seconds, -math.inf, seconds

    def still_starting(self, now: float) -> None:
        """Not all tasks run yet that were asked for: the cool-down begins when they do."""
        self.out_until = now + self._out_seconds

    def scaled_in(self, now: float, seconds: float) -> None:
        """A change in begins one."""
        self.in_until = now + seconds

    def allows_in(self, now: float) -> bool:
        """Whether tasks may go."""
        return now >= self.in_until
