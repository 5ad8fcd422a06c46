"""What our policies ask for, held to the examples of the Application Auto Scaling User Guide (read in November 2026):
https://docs.aws.amazon.com/autoscaling/application/userguide/step-scaling-policy-overview.html and the pages beside it.
"""

from typing import Any

import pytest

from tests.support.scaling.capacity import Cooldowns, stepped, tracked


def policy(kind: str, *steps: tuple[float | None, float | None, int], **members: Any) -> dict[str, Any]:
    names = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    put = [{name: number for name, number in zip(names, step, strict=True) if number is not None} for step in steps]
    return {"AdjustmentType": kind, "StepAdjustments": put, **members}


#: "Example: Step adjustments for scale-out policy", "for scale-in policy"; the threshold is 50.
OUT = policy("PercentChangeInCapacity", (0, 10, 0), (10, 20, 10), (20, None, 30))
IN = policy("PercentChangeInCapacity", (-10, 0, 0), (-20, -10, -10), (None, -20, -30))


@pytest.mark.parametrize(
    ("capacity", "metric", "put", "wanted"),
    [
        (10, 55, OUT, 10),
        (10, 60, OUT, 11),
        (11, 70, OUT, 14),
        (14, 45, IN, 14),
        (14, 40, IN, 13),
        (13, 30, IN, 10),
    ],
)
def test_the_steps_of_the_guide(capacity: int, metric: float, put: dict[str, Any], wanted: int) -> None:
    """Above the threshold a lower bound belongs to its step, below it an upper bound."""
    assert stepped(capacity, metric, 50, put) == wanted


@pytest.mark.parametrize(("capacity", "percent", "change"), [(10, 127, 12), (67, 1, 1), (58, -1, -1), (667, -1, -6)])
def test_roundings_of_the_guide(capacity: int, percent: int, change: int) -> None:
    """12.7 is rounded to 12, .67 to 1, -.58 to -1, -6.67 to -6."""
    put = policy("PercentChangeInCapacity", (0, None, percent) if percent > 0 else (None, 0, percent))
    assert stepped(capacity, 51 if percent > 0 else 49, 50, put) - capacity == change


@pytest.mark.parametrize(
    ("capacity", "put", "wanted"),
    [
        (3, policy("ChangeInCapacity", (0, None, 5)), 8),
        (3, policy("ExactCapacity", (0, None, 5)), 5),
        (10, policy("PercentChangeInCapacity", (0, None, 10)), 11),
        (4, policy("PercentChangeInCapacity", (0, None, 25), MinAdjustmentMagnitude=2), 6),
        (0, policy("PercentChangeInCapacity", (0, None, 50), MinAdjustmentMagnitude=1), 1),
        (3, policy("ChangeInCapacity", (10, None, 5)), 3),
    ],
)
def test_the_adjustment_types_of_the_guide(capacity: int, put: dict[str, Any], wanted: int) -> None:
    """An absolute change, a number, a share with a least change; and where no step is meant, nothing."""
    assert stepped(capacity, 51, 50, put) == wanted


def test_a_change_out_is_part_of_the_next_while_it_cools_down() -> None:
    """As the guide has it: "The previous increase of 2 is considered part of the current capacity. Therefore, only 1 is added"."""
    two, three = policy("ChangeInCapacity", (0, None, 2)), policy("ChangeInCapacity", (0, None, 3))
    cooldowns = Cooldowns()
    capacity = stepped(cooldowns.base(0, 10), 51, 50, two)
    cooldowns.scaled_out(0, 10, 300)
    assert capacity == 12
    capacity = stepped(cooldowns.base(299, capacity), 51, 50, three)
    cooldowns.scaled_out(299, 12, 300)
    assert capacity == 13
    assert stepped(cooldowns.base(598, capacity), 51, 50, two) == 12
    assert stepped(cooldowns.base(600, capacity), 51, 50, two) == 15


def test_a_change_out_ends_the_cool_down_of_a_change_in() -> None:
    """Tasks may go when the cool-down is over, or stopped."""
    cooldowns = Cooldowns()
    cooldowns.scaled_in(0, 300)
    assert not cooldowns.allows_in(299)
    assert cooldowns.allows_in(300)
    cooldowns.scaled_out(100, 1, 60)
    assert cooldowns.allows_in(100)


@pytest.mark.parametrize(("capacity", "metric", "wanted"), [(1, 250, 3), (4, 30, 2), (3, 0, 0), (0, 500, 0)])
def test_target_tracking_is_proportional(capacity: int, metric: float, wanted: int) -> None:
    """Rounded up, so that there are never too few; of no task it makes none. Ours: the guide says "proportionally"."""
    assert tracked(capacity, metric, 100) == wanted
