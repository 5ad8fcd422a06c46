"""CloudWatch's alarms: M out of N points, and what a missing one counts, as "Configuring how CloudWatch alarms treat missing data"
(alarms-and-missing-data.html in the CloudWatch User Guide, November 2026) has it.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: Beyond N, how many points are looked at: the guide's examples have 5 for N = 3.
_BEYOND: Final = 2
_COMPARES: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


class State(StrEnum):
    """Of an alarm."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True)
class Rule:
    """When an alarm rings: `points` of the last `periods` compare so with `threshold`."""

    compares: str
    threshold: float
    periods: int
    points: int
    missing: str = "missing"

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> "Rule":
        """Of a resource `aws_cloudwatch_metric_alarm`, as Terraform shows it."""
        return cls(
            compares=resource["comparison_operator"],
            threshold=float(resource["threshold"]),
            periods=resource["evaluation_periods"],
            points=resource["datapoints_to_alarm"] or resource["evaluation_periods"],
            missing=resource["treat_missing_data"],
        )

    def breached_by(self, value: float) -> bool:
        """Whether this point counts."""
        return _COMPARES[self.compares](value, self.threshold)

    def state(self, points: Sequence[float | None], before: State) -> State:
        """The state, by the points up to now, the oldest first."""
        seen = list(points[-self.periods - _BEYOND :])
        there = [(age, self.breached_by(value)) for age, value in enumerate(seen[::-1], 1) if value is not None]
        breaching = sum(breached for _, breached in there[: self.periods])
        if len(there) >= self.periods or breaching >= self.points:
            return State.ALARM if breaching >= self.points else State.OK
        return self._with_gaps(there, breaching, before)

    def _with_gaps(self, there: Sequence[tuple[int, bool]], breaching: int, before: State) -> State:
        """There are fewer points than the alarm evaluates."""
        if self.missing == "breaching":
            return State.ALARM if breaching + self.periods - len(there) >= self.points else State.OK
        if self.missing == "notBreaching" or breaching < len(there):
            return State.OK
        if self.missing == "ignore":
            return before
        # All that is there breaches: enough, where the oldest has lasted as long as the alarm asks.
        return State.ALARM if there and there[-1][0] >= self.points else State.INSUFFICIENT_DATA
