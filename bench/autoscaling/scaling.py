"""Scaling policies as AWS documents them: from what was measured each minute to how many tasks there should be.

Sources, read in November 2026 as stored copies:

* Application Auto Scaling User Guide, "How target tracking scaling works", and the API reference of
  `TargetTrackingScalingPolicyConfiguration` and `StepScalingPolicyConfiguration`: proportional to the metric; the cool-downs; what
  was added by the scale-out whose cool-down is running counts for the next one (2 added, then 3 wanted: 1 more).
* The alarms that AWS makes for target tracking: above the target for 3 of 3 minutes; below 90 % of it for 15 of 15.
* An alarm goes on calling a scaling policy every minute while it rings.

AWS publishes no formula of target tracking. Ours is capacity x metric / target, rounded up, both ways.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

#: So that 3.0000000001 tasks are 3.
_DUST: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Sample:
    """What CloudWatch is told of one minute."""

    waiting: int
    in_progress: int
    running: int
    #: Of what the running tasks have, 0 to 100.
    cpu_percent: float = 0.0
    #: Jobs that were put off: SQS counts them with those in progress.
    hidden: int = 0
    #: Slots in use, of a running task on average: what workers tell.
    used: float = 0.0


Metric = Callable[[Sample], float]


@dataclass(slots=True)
class Capacity:
    """What a policy knows of the service: tasks desired, and since when as many run (None: some are starting)."""

    desired: int
    settled_at: float | None = 0.0


class Policy(Protocol):
    """Looks at the service once a minute."""

    def wanted(self, now: float, seen: Sequence[Sample], capacity: Capacity) -> int:
        """How many tasks there should be, before floor and ceiling; `seen` is by the minute, the latest last, and may be empty."""


class Cooldown:
    """Of scaling out: what was there before the last one, until its tasks run and so many seconds more."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._before: int | None = None

    def base(self, now: float, capacity: Capacity) -> int:
        """What the next scale-out is reckoned from."""
        over = capacity.settled_at is not None and now >= capacity.settled_at + self._seconds
        if self._before is None or over:
            self._before = None
            return capacity.desired
        return self._before

    def begin(self, base: int) -> None:
        """It was scaled out."""
        self._before = base


@dataclass(frozen=True, slots=True)
class Tracking:
    """Numbers of a target-tracking policy."""

    target: float
    out_cooldown_seconds: float
    in_cooldown_seconds: float
    out_periods: int = 3
    in_periods: int = 15
    in_below: float = 0.9


class TargetTracking:
    """Keeps a metric near its target."""

    def __init__(self, metric: Metric, numbers: Tracking) -> None:
        self._metric = metric
        self._numbers = numbers
        self._out = Cooldown(numbers.out_cooldown_seconds)
        self._in_at = -math.inf

    def wanted(self, now: float, seen: Sequence[Sample], capacity: Capacity) -> int:
        numbers = self._numbers
        values = [self._metric(sample) for sample in seen[-numbers.in_periods :]]
        if _all(values, numbers.out_periods, lambda value: value > numbers.target):
            base = self._out.base(now, capacity)
            more = math.ceil(base * values[-1] / numbers.target - _DUST)
            if more > capacity.desired:
                self._out.begin(base)
                return more
        elif _all(values, numbers.in_periods, lambda value: value < numbers.in_below * numbers.target):
            fewer = math.ceil(capacity.desired * values[-1] / numbers.target - _DUST)
            if fewer < capacity.desired and now >= self._in_at + numbers.in_cooldown_seconds:
                self._in_at = now
                return fewer
        return capacity.desired


@dataclass(frozen=True, slots=True)
class Step:
    """From this value of the metric on, so much is added: tasks, or percent of those there are."""

    bound: float
    change: int


class StepsOut:
    """Adds tasks by how far the highest value of the latest minutes is up."""

    def __init__(
        self, metric: Metric, steps: Sequence[Step], cooldown_seconds: float, minutes: int = 1, *, percent: bool = False
    ) -> None:
        self._metric = metric
        self._steps = sorted(steps, key=lambda step: step.bound)
        self._cooldown = Cooldown(cooldown_seconds)
        self._minutes = minutes
        self._percent = percent

    def wanted(self, now: float, seen: Sequence[Sample], capacity: Capacity) -> int:
        value = max(map(self._metric, seen[-self._minutes :]), default=-math.inf)
        changes = [step.change for step in self._steps if value >= step.bound]
        if not changes or len(seen) < self._minutes:
            return capacity.desired
        base = self._cooldown.base(now, capacity)
        # Of percentages the API rounds what is added down, but to no less than the smallest adjustment, 1.
        more = base + (max(1, base * changes[-1] // 100) if self._percent else changes[-1])
        if more <= capacity.desired:
            return capacity.desired
        self._cooldown.begin(base)
        return more


class StepIn:
    """Removes tasks, so many at a time, while the highest value of the latest minutes is this low."""

    def __init__(self, metric: Metric, step: Step, cooldown_seconds: float, minutes: int = 1) -> None:
        self._metric = metric
        self._step = step
        self._seconds = cooldown_seconds
        self._minutes = minutes
        self._last_at = -math.inf

    def wanted(self, now: float, seen: Sequence[Sample], capacity: Capacity) -> int:
        low = _all([self._metric(sample) for sample in seen[-self._minutes :]], self._minutes, lambda it: it <= self._step.bound)
        if not low or now < self._last_at + self._seconds:
            return capacity.desired
        self._last_at = now
        return capacity.desired + self._step.change


class Together:
    """Several policies of one service: the largest capacity that one of them wants, but for those that want nothing."""

    def __init__(self, *policies: Policy) -> None:
        self._policies = policies

    def wanted(self, now: float, seen: Sequence[Sample], capacity: Capacity) -> int:
        wanted = [policy.wanted(now, seen, capacity) for policy in self._policies]
        return max((each for each in wanted if each != capacity.desired), default=capacity.desired)


def _all(values: Sequence[float], periods: int, breaching: Callable[[float], bool]) -> bool:
    return len(values) >= periods and all(map(breaching, values[-periods:]))
