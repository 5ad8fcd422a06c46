"""A minute after the other: what is published is read, alarms are looked at, and the service gets the tasks that policies ask for.

The clock is the caller's: a minute is over when `minute` is called, however long it took.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from tests.support.autoscaling import Members, Registry
from tests.support.scaling import capacity, metric_math
from tests.support.scaling.alarms import Rule, State
from tests.support.scaling.capacity import Cooldowns
from tests.support.scaling.schedules import is_due

#: How far back a series reaches, in minutes: further than the longest alarm looks.
_KEPT: Final = 60
_MINUTE: Final = 60
#: How many minutes back the newest point may be by which a policy is carried out.
_RECENT: Final = 3
#: What AWS takes where a policy says nothing, for ECS.
_COOLDOWN: Final = 300


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch, with one of its statistics."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    stat: str


class _Wish(NamedTuple):
    """A number of tasks, which policy wants it, and for how many seconds it then wants no more of its kind."""

    tasks: int
    why: str = ""
    cooldown: float = 0.0


class World(Protocol):
    """What is measured, and what is scaled."""

    def published(self, metric: Metric) -> float | None:
        """The value of the minute that is over; None: nothing is published."""

    def desired(self) -> int:
        """Tasks that the service was last told to have."""

    def running(self) -> int:
        """Tasks that run."""

    def scale(self, tasks: int) -> None:
        """Tell it another number."""


@dataclass(frozen=True)
class Query:
    """What an alarm or policy follows: metrics and expressions by their ids, and which of them is the result."""

    metrics: Mapping[str, Metric]
    expressions: Mapping[str, str]
    result: str

    @classmethod
    def of_policy(cls, specification: Mapping[str, Any]) -> "Query":
        """Of a `CustomizedMetricSpecification`, as it was put."""
        asked = specification["Metrics"]
        return cls(
            metrics={each["Id"]: _metric_put(each["MetricStat"]) for each in asked if "MetricStat" in each},
            expressions={each["Id"]: each["Expression"] for each in asked if "Expression" in each},
            result=next(each["Id"] for each in asked if each.get("ReturnData", True)),
        )

    @classmethod
    def of_alarm(cls, resource: Mapping[str, Any]) -> "Query":
        """Of a resource `aws_cloudwatch_metric_alarm` with queries, as Terraform shows it."""
        asked = resource["metric_query"]
        return cls(
            metrics={each["id"]: _metric_shown(each["metric"][0]) for each in asked if each["metric"]},
            expressions={each["id"]: each["expression"] for each in asked if each["expression"]},
            result=next(each["id"] for each in asked if each["return_data"]),
        )


def _metric_put(stat: Mapping[str, Any]) -> Metric:
    metric = stat["Metric"]
    dimensions = tuple(sorted((each["Name"], each["Value"]) for each in metric.get("Dimensions", [])))
    return Metric(metric["Namespace"], metric["MetricName"], dimensions, stat["Stat"])


def _metric_shown(metric: Mapping[str, Any]) -> Metric:
    return Metric(metric["namespace"], metric["metric_name"], tuple(sorted(metric["dimensions"].items())), metric["stat"])


@dataclass(frozen=True)
class Minute:
    """What a minute brought. `followed` is the target-tracking policy's metric, `tasks` what is asked for from now on."""

    number: int
    followed: float | None
    alarms: tuple[str, ...]
    before: int
    tasks: int
    why: str
    measured: Mapping[Metric, float | None]

    def total(self, name: str) -> float:
        """The sum of all metrics of a name, in this minute."""
        return sum(value or 0.0 for metric, value in self.measured.items() if metric.name == name)


@dataclass
class Loop:
    """Of the one service that has policies. `alarms` are Terraform's resources `aws_cloudwatch_metric_alarm`.

    `late` is by how many minutes metrics are published later than they are measured.
    """

    registry: Registry
    alarms: Sequence[Mapping[str, Any]]
    world: World
    resource_id: str
    late: int = 0
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    minutes: list[Minute] = field(default_factory=list)
    _history: dict[Metric, list[float | None]] = field(default_factory=dict)
    _states: dict[str, State] = field(default_factory=dict)
    _cooldowns: Cooldowns = field(default_factory=Cooldowns)

    def minute(self) -> Minute:
        """A minute is over."""
        number = len(self.minutes)
        now = float(number * _MINUTE)
        before = self.world.desired()
        # Before they are counted: else what was measured without them could be taken for what there is with them.
        if self.world.running() < before:
            self._cooldowns.still_starting(now)
        measured = self._publish()
        asked, why = self._bounded(*self._decided(now, before))
        scheduled = self._scheduled(self.began + timedelta(seconds=now))
        if scheduled and not why:
            asked, why = self._bounded(before, scheduled)
        if asked != before:
            self.world.scale(asked)
        self.minutes.append(
            Minute(number, self._followed(), self._ringing(), before, asked, why if asked != before else "", measured)
        )
        return self.minutes[-1]

    # --- What is read ---

    def _queries(self) -> list[Query]:
        policies = [Query.of_policy(_specification(each)) for each in self._policies("TargetTrackingScaling")]
        return [*policies, *(Query.of_alarm(each) for each in self.alarms)]

    def _publish(self) -> dict[Metric, float | None]:
        asked = {metric for query in self._queries() for metric in query.metrics.values()}
        measured = {metric: self.world.published(metric) for metric in asked}
        for metric, value in measured.items():
            self._history.setdefault(metric, [None] * len(self.minutes)).append(value)
        return measured

    def _series(self, query: Query) -> metric_math.Series:
        def seen(metric: Metric) -> metric_math.Series:
            known = self._history[metric]
            return (*known[: len(known) - self.late], *[None] * min(self.late, len(known)))[-_KEPT:]

        return metric_math.series(query.expressions, {name: seen(each) for name, each in query.metrics.items()}, query.result)

    def _policies(self, kind: str) -> list[Members]:
        return [
            each
            for each in self.registry.policies.values()
            if each["ResourceId"] == self.resource_id and each["PolicyType"] == kind
        ]

    def _followed(self) -> float | None:
        tracking = self._policies("TargetTrackingScaling")
        return _newest(self._series(Query.of_policy(_specification(tracking[0])))) if tracking else None

    # --- What is decided ---

    def _decided(self, now: float, before: int) -> tuple[int, str]:
        """The largest number that anything asks for beyond what there is; else the largest that all tracking policies ask for."""
        base = self._cooldowns.base(now, before)
        tracked_out, tracked_in = self._tracked(base, before)
        stepped = self._stepped(base, before)
        ceiling, floor = self._bounds()
        out = max([*tracked_out, *(each for each in stepped if each.tasks > before)], default=_Wish(before))
        if min(out.tasks, ceiling) > before:
            self._cooldowns.scaled_out(now, before, out.cooldown)
            return out.tasks, out.why
        less = max([each for each in stepped if each.tasks < before] or tracked_in, default=_Wish(before))
        if max(less.tasks, floor) < before and self._cooldowns.allows_in(now) and not tracked_out:
            self._cooldowns.scaled_in(now, less.cooldown)
            return less.tasks, less.why
        return before, ""

    def _tracked(self, base: int, before: int) -> tuple[list[_Wish], list[_Wish]]:
        """What target tracking asks for: out, where any policy does; in, where all do."""
        outs, ins, policies = [], [], self._policies("TargetTrackingScaling")
        for policy in policies:
            put, name = policy["TargetTrackingScalingPolicyConfiguration"], policy["PolicyName"]
            target, points = put["TargetValue"], self._series(Query.of_policy(put["CustomizedMetricSpecification"]))
            high = self._rings(f"{name} high", capacity.high(target), points)
            low = self._rings(f"{name} low", capacity.low(target), points)
            if (metric := _newest(points)) is not None and high:
                outs.append(_Wish(capacity.tracked(base, metric, target), name, put.get("ScaleOutCooldown", _COOLDOWN)))
            if metric is not None and low:
                ins.append(_Wish(capacity.tracked(before, metric, target), name, put.get("ScaleInCooldown", _COOLDOWN)))
        return outs, ins if len(ins) == len(policies) else []

    def _stepped(self, base: int, before: int) -> list[_Wish]:
        """What step policies ask for whose alarms ring: more than `base`, or less than what there is."""
        wishes = []
        for alarm, policy in self._called():
            rule, points = Rule.of(alarm), self._series(Query.of_alarm(alarm))
            if self._rings(alarm["alarm_name"], rule, points) and (metric := _newest(points)) is not None:
                put = policy["StepScalingPolicyConfiguration"]
                more = capacity.stepped(base, metric, rule.threshold, put)
                tasks = more if more >= base else capacity.stepped(before, metric, rule.threshold, put)
                wishes.append(_Wish(tasks, policy["PolicyName"], put.get("Cooldown", _COOLDOWN)))
        return wishes

    def _called(self) -> list[tuple[Mapping[str, Any], Members]]:
        """Each alarm with the step policy that it calls."""
        policies = {each["PolicyARN"]: each for each in self._policies("StepScaling")}
        return [(alarm, policies[arn]) for alarm in self.alarms for arn in alarm["alarm_actions"] if arn in policies]

    def _rings(self, name: str, rule: Rule, points: metric_math.Series) -> bool:
        self._states[name] = rule.state(points, self._states.get(name, State.INSUFFICIENT_DATA))
        return self._states[name] is State.ALARM

    def _ringing(self) -> tuple[str, ...]:
        return tuple(name for name, state in self._states.items() if state is State.ALARM)

    # --- Between floor and ceiling ---

    def _bounds(self) -> tuple[int, int]:
        [target] = [each for each in self.registry.targets.values() if each["ResourceId"] == self.resource_id]
        return target["MaxCapacity"], target["MinCapacity"]

    def _bounded(self, asked: int, why: str) -> tuple[int, str]:
        ceiling, floor = self._bounds()
        return min(max(asked, floor), ceiling), why

    def _scheduled(self, at: datetime) -> str:
        """Move floor and ceiling as the actions say that are due; returns their names. They wait for no cool-down."""
        due = [
            each
            for each in self.registry.actions.values()
            if each["ResourceId"] == self.resource_id and is_due(each["Schedule"], each.get("Timezone", "UTC"), at, self.began)
        ]
        for action in due:
            for target in self.registry.targets.values():
                if target["ResourceId"] == self.resource_id:
                    target.update(action["ScalableTargetAction"])
        return ", ".join(each["ScheduledActionName"] for each in due)


def _newest(points: metric_math.Series) -> float | None:
    return next((each for each in points[: -_RECENT - 1 : -1] if each is not None), None)


def _specification(policy: Members) -> Mapping[str, Any]:
    specification: Mapping[str, Any] = policy["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"]
    return specification
