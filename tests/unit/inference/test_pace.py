"""The pace of one limit, rule by rule; what it comes to in traffic is in `test_limiter_in_traffic.py`."""

import math

import pytest

from quarry.inference.pace import Pace


def press(pace: Pace, begin: float, end: float, cost: float = 1.0) -> int:
    """More work than it lets begin, looked at each hundredth of a second; returns how much began."""
    began, steps = 0, round((end - begin) * 100)
    for step in range(steps):
        now = begin + step / 100
        while pace.wait(now) == 0:
            pace.take(cost, now)
            began += 1
    return began


def found(granted: float = 20.0) -> Pace:
    """One that was throttled at second twelve, after ten seconds in which so much was granted."""
    pace = Pace()
    pace.adopt(granted * 1.1)
    for step in range(int(10 * granted)):
        pace.take(1, 2 + step / granted)
    pace.exhausted(12, again=False)
    return pace


def test_it_begins_slowly_and_doubles_each_second_in_which_it_holds_calls_up() -> None:
    """Ten a second, then twenty, then forty: a quota of hundreds is found within seconds."""
    pace = Pace()
    assert pace.rate == 10
    press(pace, 0, 2)
    assert pace.rate == pytest.approx(40, rel=0.1)


def test_who_asks_for_less_does_not_make_it_climb() -> None:
    """It would be no pace but a number: the first burst of work would run into the quota at any speed."""
    pace = Pace()
    for i in range(100):
        assert pace.wait(i / 5) == 0
        pace.take(1, i / 5)
    assert pace.rate == 10


def test_what_begins_at_once_is_half_a_second_of_the_pace() -> None:
    """After any pause, however long: quotas that are granted by the second take no more."""
    pace = Pace(ceiling=10)
    for now in (0, 1000):
        assert 5 <= press(pace, now, now + 0.05) <= 6
        assert press(pace, now + 0.05, now + 1.05) <= 11


def test_the_dearer_a_call_the_longer_the_next_one_waits() -> None:
    """Of tokens, a pace is spent by what a call takes; what it did not use comes back when it ends."""
    pace = Pace(ceiling=100, start=1000)
    pace.take(500, 0)
    assert pace.wait(0) == pytest.approx(4.5)
    pace.give_back(300, 0)
    assert pace.wait(0) == pytest.approx(1.5)


def test_a_ceiling_is_never_climbed_over() -> None:
    """It is the operator's word, whatever the target would take."""
    pace = Pace(ceiling=12)
    assert press(pace, 0, 60) <= 12 * 60.5 + 1
    assert pace.rate == 12


def test_what_was_taken_between_two_exhaustions_is_what_is_granted() -> None:
    """The middle of its curve: that much a second, and it begins a little below."""
    pace = found(granted=20)
    assert 0.8 * 20 <= pace.rate <= 20
    assert pace.learned


def test_it_stays_near_what_is_granted_and_then_climbs_faster_and_faster() -> None:
    """A quota that has grown is found within half a minute; one that has not, is seldom overrun."""
    pace = found(granted=20)
    press(pace, 12, 22)
    assert 18.5 <= pace.rate <= 21.5
    press(pace, 22, 47)
    assert pace.rate >= 40


def test_a_pace_in_vain_is_not_believed() -> None:
    """It had climbed where there was little to do: what the throttle tells is of what was done."""
    pace = Pace()
    press(pace, 0, 6)
    assert pace.rate > 300
    for i in range(40):
        pace.take(1, 20 + i / 10)
    pace.exhausted(24, again=False)
    assert pace.rate <= 10


@pytest.mark.parametrize("again", [True, False])
def test_a_quota_that_shrank_is_followed_by_halves(again: bool) -> None:
    """One throttle may be chance, so a pace is at most halved by it; too fast again at once, it begins lower."""
    pace = found(granted=20)
    before = pace.rate
    pace.take(1, 13)
    pace.exhausted(17, again=again)
    assert before / 2 * 0.9 <= pace.rate <= before / 2


def test_a_call_that_was_refused_has_taken_nothing() -> None:
    """But its turn is spent, so that refusals do not make way for more of them."""
    pace = Pace(ceiling=1)
    pace.take(1, 0)
    wait = pace.wait(0)
    pace.refused(1, 0)
    assert pace.wait(0) == wait


def test_of_a_quota_by_the_minute_counts_what_was_taken_in_it() -> None:
    """Used up after five seconds, and no more came but a trickle that was settled: the next minute grants what this one did."""
    pace, taken = Pace(), 150
    for i in range(taken):
        pace.take(1, i / 30)
    for now in (5.0, 9.0, 14.0):
        pace.exhausted(now, again=False)
        pace.take(1, now + 1)
    pace.exhausted(20, again=False)
    pace.take(1, 61)
    pace.resumes(61.1, 61, (60.0, 61.0))
    assert pace.by_the_minute
    assert pace.rate == pytest.approx((taken + 3) / 60, rel=0.02)


def test_what_is_given_back_counts_for_when_it_was_taken() -> None:
    """Calls that are under way when a minute begins took too much of the one before, and lessen nothing of what this one grants."""
    pace = Pace()
    for _ in range(50):
        pace.take(400, 59.5)
    for i in range(300):
        pace.take(400, 60.5 + i / 10)
    for _ in range(50):
        pace.give_back(200, 59.5)
    for i in range(300):
        pace.give_back(200, 60.5 + i / 10)
    pace.take(400, 91)
    pace.refused(400, 91)
    pace.exhausted(91, again=False)
    pace.take(200, 120)
    pace.resumes(120.1, 120, (120.0, 120.0))
    assert pace.rate == pytest.approx(300 * 200 / 60, rel=0.01)


def test_a_silence_before_the_first_call_of_a_minute_takes_nothing_away() -> None:
    """Used up, then nobody asked for minutes: what the minute had granted is no longer known, and what was known before stands."""
    pace = found(granted=100)
    before = pace.rate
    pace.exhausted(64, again=False)
    pace.take(1, 264)
    pace.resumes(264.1, 264, (70.0, 264.0))
    assert pace.rate > before / 3


def test_what_was_missed_of_a_minute_is_made_up_for() -> None:
    """Its quota is there whole: of four seconds all at once, even a while later, of more than ten no more; else one call after the
    other.
    """
    for missed, at_once in ((4, 4), (30, 10)):
        pace = found(granted=100)
        pace.resumes(60 + missed, 60 + missed, (60.0, 60.0))
        assert at_once * 16 <= press(pace, 61 + missed, 61.01 + missed) <= (at_once + 1.6) * 1000 / 60
    pace = found(granted=100)
    pace.resumes(64, 64, None)
    assert press(pace, 64, 64.01) <= 1


def test_another_curve_is_joined_where_this_one_was_left() -> None:
    """Another limit's throttle may tell that the quotas are none by the minute: that is no reason to leap."""
    pace = found()
    pace.resumes(60, 60, (60.0, 60.0))
    press(pace, 60, 110)
    before = pace.rate
    pace.resumes(110, 110, None)
    assert pace.rate == pytest.approx(before)


def test_peers_share() -> None:
    """Of what was found a quarter each, and of the start, too; a lone one has it all again."""
    pace, new = found(), Pace()
    rate = pace.rate
    pace.share(4)
    new.share(4)
    assert pace.rate == pytest.approx(rate / 4)
    assert new.rate == 2.5
    pace.share(1)
    assert pace.rate == pytest.approx(rate)


def test_what_peers_found_is_begun_with() -> None:
    """A little below it, since it is one more that looks."""
    pace = Pace()
    pace.adopt(50)
    assert pace.learned
    assert pace.rate == pytest.approx(50 * 0.936)


def test_nothing_holds_back_where_nothing_is_counted() -> None:
    """Of an echo nobody keeps count."""
    pace = Pace(start=math.inf)
    for _ in range(1000):
        assert pace.wait(0) == 0
        pace.take(1, 0)
