"""Scaling policies, against what AWS documents of them."""

import pytest

from bench.autoscaling.contestants import CONTESTANTS
from bench.autoscaling.numbers import OURS
from bench.autoscaling.scaling import Capacity, Sample, Step, StepIn, StepsOut, TargetTracking, Together, Tracking

_NUMBERS = Tracking(target=100, out_cooldown_seconds=60, in_cooldown_seconds=180)


def per_task(sample: Sample) -> float:
    return sample.waiting / sample.running


def waiting(sample: Sample) -> float:
    return sample.waiting


def minutes(*jobs: int, running: int = 1) -> list[Sample]:
    return [Sample(waiting=each, in_progress=0, running=running) for each in jobs]


def tracking() -> TargetTracking:
    return TargetTracking(per_task, _NUMBERS)


def test_tracking_scales_out_in_proportion() -> None:
    """Three and a half times the target: four times the tasks."""
    assert tracking().wanted(180, minutes(350, 350, 350), Capacity(1)) == 4
    assert tracking().wanted(180, minutes(700, 700, 700, running=2), Capacity(2)) == 7


@pytest.mark.parametrize("jobs", [(), (350,), (350, 350), (350, 100, 350), (350, 350, 100), (100, 100, 100)])
def test_tracking_waits_for_three_minutes_above_the_target(jobs: tuple[int, ...]) -> None:
    """Three of three."""
    assert tracking().wanted(180, minutes(*jobs), Capacity(1)) == 1


def test_tracking_scales_in_after_fifteen_minutes_below_nine_tenths() -> None:
    """And after a cool-down again."""
    policy, low = tracking(), minutes(*[120] * 15, running=4)

    assert policy.wanted(900, low[:14], Capacity(4)) == 4
    assert policy.wanted(900, minutes(*[20 * 92] * 15, running=20), Capacity(20)) == 20
    assert policy.wanted(900, low, Capacity(4)) == 2
    assert policy.wanted(1079, low, Capacity(4)) == 4
    assert policy.wanted(1080, low, Capacity(4)) == 2


def test_what_was_added_counts_until_it_runs_and_the_cooldown_is_over() -> None:
    """The metric is still that of one task: as many are wanted as before, not as many times as many."""
    policy, high = tracking(), minutes(400, 400, 400)
    assert policy.wanted(180, high, Capacity(1)) == 4

    assert policy.wanted(240, high, Capacity(4, settled_at=None)) == 4
    assert policy.wanted(300, high, Capacity(4, settled_at=250)) == 4
    assert policy.wanted(300, minutes(500, 500, 500), Capacity(4, settled_at=250)) == 5
    assert policy.wanted(310, high, Capacity(4, settled_at=250)) == 16


def test_steps_as_the_api_reference_tells() -> None:
    """Scaled out by 2; within the cool-down the alarm wants 3: one more."""
    policy = StepsOut(waiting, [Step(100, 2), Step(500, 3)], cooldown_seconds=300)
    assert policy.wanted(60, minutes(100), Capacity(10)) == 12

    assert policy.wanted(120, minutes(499), Capacity(12, settled_at=100)) == 12
    assert policy.wanted(180, minutes(500), Capacity(12, settled_at=100)) == 13
    assert policy.wanted(400, minutes(500), Capacity(13, settled_at=100)) == 16


def test_steps_look_at_their_whole_period() -> None:
    """The highest of five minutes; and before there are five, at nothing."""
    policy = StepsOut(waiting, [Step(100, 1)], cooldown_seconds=0, minutes=5)

    assert policy.wanted(240, minutes(200, 0, 0, 0), Capacity(1)) == 1
    assert policy.wanted(300, minutes(200, 0, 0, 0, 0), Capacity(1)) == 2
    assert policy.wanted(360, minutes(200, 0, 0, 0, 0, 0), Capacity(1)) == 1


def test_steps_of_percent() -> None:
    """Of 3 tasks, 100 % are 3, and 10 % are one, the least there is."""
    assert StepsOut(waiting, [Step(1, 100)], 60, percent=True).wanted(60, minutes(1), Capacity(3)) == 6
    assert StepsOut(waiting, [Step(1, 10)], 60, percent=True).wanted(60, minutes(1), Capacity(3)) == 4


def test_a_step_in_is_taken_once_in_a_cooldown() -> None:
    """While nothing waits."""
    policy = StepIn(waiting, Step(0, -1), cooldown_seconds=300)

    assert [policy.wanted(now, minutes(0), Capacity(5)) for now in (0, 299, 300)] == [4, 5, 4]
    assert policy.wanted(900, minutes(1), Capacity(5)) == 5


def test_of_several_policies_the_largest_capacity_counts() -> None:
    """One that wants more outweighs one that wants less; one that wants nothing does not keep another from scaling in."""
    out, more, fewer = (StepsOut(waiting, [Step(1, change)], 0) for change in (1, 5, 0))
    low = StepIn(waiting, Step(9, -1), 0)

    assert Together(out, more, low).wanted(60, minutes(5), Capacity(5)) == 10
    assert Together(fewer, low).wanted(60, minutes(5), Capacity(5)) == 4
    assert Together(fewer).wanted(60, minutes(5), Capacity(5)) == 5


@pytest.mark.parametrize(
    ("name", "sample", "wanted"),
    [
        ("ours", Sample(waiting=5000, in_progress=400, running=4, used=100), 14),
        ("ours", Sample(waiting=5000, in_progress=196, running=4, used=49), 4),
        ("ours", Sample(waiting=0, in_progress=0, running=4, hidden=5000), 0),
        ("ours-hidden", Sample(waiting=5000, in_progress=196, running=4, used=49), 13),
        ("ours-hidden", Sample(waiting=0, in_progress=0, running=4, hidden=5000), 56),
    ],
)
def test_ours_listens_to_the_workers(name: str, sample: Sample, wanted: int) -> None:
    """Free slots beside a backlog keep what there is, and what was put off keeps nothing; to what SQS hides, both are work."""
    assert CONTESTANTS[name].policy(OURS).wanted(900, [sample] * 15, Capacity(4)) == wanted
