"""The loop on a service that exists in memory: which policy moves it, when, and how far."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.autoscaling import Registry
from tests.support.scaling.loop import Loop, Metric

SERVICE = {"ServiceNamespace": "ecs", "ResourceId": "service/q/w", "ScalableDimension": "ecs:service:DesiredCount"}
NAMES = ("waiting", "tasks", "used")
#: As the module autoscaling has it, with one lane, tasks of 100 slots, and no latency that would be acceptable.
WORK = "MAX([used / 0.9, (waiting / tasks + used) / 1])"
EXPRESSION = f"IF(waiting >= 0 && tasks >= 1 && used >= 0, IF(used < 50 && {WORK} > 100, 100, {WORK}))"
ASLEEP = "IF(FILL(tasks, REPEAT) < TIME_SERIES(1), FILL(waiting, REPEAT), 0)"


@dataclass
class Memory:
    """Tasks run at once; `blind` are metrics that nobody publishes. `work` is what is worked or waits, all that slots hold of it
    is worked: but for `closed`, while no call can be made.
    """

    work: float = 0
    tasks: int = 1
    blind: set[str] = field(default_factory=set)
    wanted: int | None = None
    closed: bool = False

    @property
    def used(self) -> float | None:
        """As workers tell it: no worker, nothing."""
        return None if not self.tasks else 0 if self.closed else min(100, self.work / self.tasks)

    @property
    def waiting(self) -> float:
        return self.work - (self.used or 0) * self.tasks

    def published(self, metric: Metric) -> float | None:
        value = None if metric.name in self.blind else getattr(self, metric.name)
        return None if value is None else float(value)

    def desired(self) -> int:
        return self.tasks if self.wanted is None else self.wanted

    def running(self) -> int:
        return self.tasks

    def scale(self, tasks: int) -> None:
        if self.wanted is None:
            self.tasks = tasks
        else:
            self.wanted = tasks


def alarm(name: str, expression: str, arn: str, threshold: float, compares: str = "GreaterThanThreshold") -> dict[str, Any]:
    """As Terraform shows it."""
    metrics = [
        {
            "id": each,
            "expression": "",
            "return_data": None,
            "metric": [{"namespace": "", "metric_name": each, "dimensions": {}, "stat": "Sum"}],
        }
        for each in NAMES
    ]
    return {
        "alarm_name": name, "comparison_operator": compares, "threshold": threshold, "evaluation_periods": 1,
        "datapoints_to_alarm": None, "treat_missing_data": "missing", "alarm_actions": [arn],
        "metric_query": [{"id": "result", "expression": expression, "return_data": True, "metric": []}, *metrics],
    }  # fmt: skip


def looped(world: Memory, *, floor: int = 1, late: int = 0) -> Loop:
    """Target tracking at 100, a surge from 200 on, and a way out of zero."""
    registry = Registry()
    registry.answer("RegisterScalableTarget", SERVICE | {"MinCapacity": floor, "MaxCapacity": 10})
    metrics = [
        {"Id": each, "MetricStat": {"Metric": {"Namespace": "", "MetricName": each}, "Stat": "Sum"}, "ReturnData": False}
        for each in NAMES
    ]
    tracking = {
        "TargetValue": 100.0, "ScaleOutCooldown": 60, "ScaleInCooldown": 180,
        "CustomizedMetricSpecification": {"Metrics": [{"Id": "result", "Expression": EXPRESSION, "ReturnData": True}, *metrics]},
    }  # fmt: skip
    registry.answer(
        "PutScalingPolicy",
        SERVICE
        | {"PolicyName": "track", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": tracking},
    )

    def step(name: str, kind: str, by: int, cooldown: int) -> str:
        put = {
            "AdjustmentType": kind,
            "Cooldown": cooldown,
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": by}],
        }
        arn: str = registry.answer("PutScalingPolicy", SERVICE | {"PolicyName": name, "StepScalingPolicyConfiguration": put})[
            "PolicyARN"
        ]
        return arn

    surge, wake = step("surge", "PercentChangeInCapacity", 100, 60), step("wake", "ChangeInCapacity", 1, 300)
    alarms = [alarm("surge", EXPRESSION, surge, 200, "GreaterThanOrEqualToThreshold"), alarm("wake", ASLEEP, wake, 0)]
    return Loop(registry, alarms, world, SERVICE["ResourceId"], late, began=datetime(2026, 11, 23, tzinfo=UTC))


def run(loop: Loop, minutes: int) -> list[tuple[int, int, str]]:
    """The changes: in which minute, to how many tasks, by whom."""
    return [(each.number, each.tasks, each.why) for each in (loop.minute() for _ in range(minutes)) if each.why]


def test_tracking_waits_three_minutes_to_add_and_fifteen_to_remove() -> None:
    """Out to what the metric asks for; in one cool-down after the other, never below the floor."""
    world = Memory(work=150)
    loop = looped(world)
    assert run(loop, 5) == [(2, 2, "track")]
    world.work = 0
    assert run(loop, 30) == [(17, 1, "track")]


def test_a_surge_is_followed_within_two_minutes() -> None:
    """Also when metrics come a minute late; then target tracking goes on."""
    for late in (0, 1):
        world = Memory()
        loop = looped(world, late=late)
        run(loop, 5)
        world.work = 450
        [first, *others] = run(loop, 10)
        assert first[0] - 5 < 2
        assert first[1:] == (2, "surge")
        assert {why for *_, why in others} <= {"surge", "track"}
        # What is known a minute late is counted once more by a cool-down of a minute: a doubling too many.
        assert world.tasks == (10 if late else 5)


def test_what_nobody_publishes_moves_nothing() -> None:
    """Without a number of tasks there is no quotient; and that nobody tells what waits is no lack of work."""
    world = Memory(work=900, tasks=4, blind={"tasks"})
    assert {why for *_, why in run(looped(world), 30)} == {"wake"}
    world = Memory(tasks=4, blind={"waiting"})
    assert run(looped(world), 30) == []
    world = Memory(work=390, tasks=4)
    loop = looped(world)
    run(loop, 5)
    world.blind = {"waiting"}
    assert run(loop, 60) == []


def test_workers_that_say_nothing_move_nothing() -> None:
    """They hang, or their lines are lost: neither is no work, nor is a backlog beside them a reason for more."""
    for work in (0, 5000):
        world = Memory(work=work, tasks=4, blind={"used"})
        assert run(looped(world), 60) == []
        world = Memory(work=380, tasks=4)
        loop = looped(world)
        run(loop, 5)
        world.work, world.blind = work, {"used"}
        assert run(loop, 60) == []


def test_jobs_that_wait_beside_free_slots_add_nothing() -> None:
    """All targets fail, or their quota is spent: more workers help nobody, and those there are will be needed. When it is over, a
    surge has what was kept.
    """
    world = Memory(work=250, tasks=3)
    loop = looped(world)
    assert run(loop, 5) == []
    world.closed = True
    world.work = 5000
    assert run(loop, 60) == []
    world.closed = False
    [first, *_] = run(loop, 10)
    assert first == (65, 6, "surge")


def test_jobs_that_were_put_off_are_no_work() -> None:
    """Hidden in the queue they neither wait nor are worked: a fleet that has nothing else goes."""
    world = Memory(work=250, tasks=3)
    loop = looped(world)
    run(loop, 5)
    world.work = 0
    assert [tasks for _, tasks, _ in run(loop, 60)] == [1]


def test_zero_is_left_and_come_back_to() -> None:
    """One job wakes it; tracking alone would not."""
    world = Memory(tasks=0)
    loop = looped(world, floor=0)
    assert run(loop, 20) == []
    world.work = 1
    assert run(loop, 1) == [(20, 1, "wake")]
    world.work = 0
    assert run(loop, 20) == [(35, 0, "track")]


def test_one_job_wakes_one_task_also_where_metrics_are_late() -> None:
    """A minute after it runs, it is not counted yet, and the job may still wait."""
    world = Memory(tasks=0)
    loop = looped(world, floor=0, late=1)
    run(loop, 5)
    world.work = 1
    assert {(tasks, why) for _, tasks, why in run(loop, 3)} == {(1, "wake")}


def test_tasks_that_start_are_not_asked_for_twice() -> None:
    """The cool-down begins when they run: until then what was asked for is part of what is asked for."""
    world = Memory(work=1, tasks=0, wanted=0)
    loop = looped(world, floor=0)
    assert run(loop, 10) == [(0, 1, "wake")]
    world.tasks = 1
    assert run(loop, 3) == []


def test_an_hour_moves_floor_and_ceiling_at_once() -> None:
    """A scheduled action waits for no cool-down, and policies stay between its numbers."""
    world = Memory(work=0, tasks=1)
    loop = looped(world)
    action = {"ScheduledActionName": "noon", "Schedule": "at(2026-11-23T00:05:00)"}
    loop.registry.answer("PutScheduledAction", SERVICE | action | {"ScalableTargetAction": {"MinCapacity": 3, "MaxCapacity": 4}})
    assert run(loop, 10) == [(5, 3, "noon")]
    world.work = 4000
    run(loop, 10)
    assert world.tasks == 4
