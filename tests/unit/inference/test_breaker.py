"""A target's breaker: what opens it, what it lets through, and what closes it."""

import pytest

from quarry.inference.breaker import SOON_SECONDS, Call, Ended, Limits
from tests.unit.inference.breaker_bench import Bench

# --- opening ----------------------------------------------------------------------------------------------------------


def test_it_opens_on_failures_and_says_for_how_long() -> None:
    """The fifth one; until then it is asked."""
    bench = Bench()
    for _ in range(50):
        bench.one()
    bench.fail(4)
    assert (bench.state, bench.wait()) == ("CLOSED", None)
    bench.fail(1)
    assert (bench.state, bench.wait()) == ("OPEN", 30)
    bench.now += 12
    assert bench.wait() == 18


@pytest.mark.parametrize("how", [Ended.NEITHER, Ended.CUT])
def test_what_says_nothing_of_the_target_does_not_count(how: Ended) -> None:
    """A rejection, or a call that was stopped from here."""
    bench = Bench()
    for _ in range(20):
        bench.one(how)
    assert bench.wait() is None


def test_an_answer_clears_the_failures_before_it() -> None:
    """Five failures in a month, with answers between them, are none."""
    bench = Bench()
    for _ in range(10):
        bench.fail(4)
        bench.one()
    assert bench.wait() is None


def test_failures_are_forgotten_after_the_window() -> None:
    """Where a target is asked once in a while."""
    bench = Bench()
    for _ in range(20):
        bench.fail(1)
        bench.now += 15
        assert bench.wait() is None


def test_late_answers_of_a_dying_target_hide_nothing() -> None:
    """Calls that began before it died still do well, between the failures of those that begin now."""
    bench = Bench()
    under_way = bench.begin(5)
    for each in under_way:
        bench.fail(1)
        bench.end(each)
    assert bench.state == "OPEN"


def test_few_failures_among_many_calls_do_not_open_it() -> None:
    """A hundred at a time, of which one in twenty fails at once and the others take a while."""
    bench = Bench()
    under_way: list[Call] = []
    for number in range(400):
        bench.now += 0.05
        assert bench.state == "CLOSED"
        if bench.wait() is None:
            if number % 20 == 7:
                bench.fail(1)
            else:
                under_way += bench.begin()
        if len(under_way) >= 95:
            bench.end(under_way.pop(0))
    assert bench.state == "CLOSED"


def test_failures_are_weighed_against_the_calls_that_go_on() -> None:
    """Five of seventy fail while the others are being answered; of ten, they would open it."""
    bench, small = Bench(), Bench()
    before = bench.begin(4)
    bench.fail(1)
    bench.end(*before)
    assert bench.wait() is None
    bench.begin(60)
    bench.fail(5)
    small.fail(1)
    small.begin(4)
    small.fail(4)
    assert (bench.state, small.state) == ("CLOSED", "OPEN")


def test_of_many_calls_at_once_few_are_wasted() -> None:
    """After a first failure no more are begun than are needed to open it; then one answer is enough to go on."""
    bench = Bench()
    bench.fail(1)
    assert bench.wait() is None
    calls = bench.begin(4)
    assert bench.wait() == SOON_SECONDS
    bench.end(calls[0])
    assert bench.wait() is None
    bench.fail(1)
    bench.end(*calls[1:], how=Ended.BADLY)
    assert bench.state == "CLOSED"
    bench.fail(1)
    assert bench.state == "OPEN"


def test_a_healthy_targets_odd_failure_holds_nobody_back() -> None:
    """While others do well, those that begin after it are not counted out."""
    bench = Bench()
    under_way = bench.begin(50)
    bench.fail(1)
    later = bench.begin(4)
    assert bench.wait() == SOON_SECONDS
    bench.end(*under_way[:4])
    assert bench.wait() is None
    assert len(later) == 4


# --- half-open --------------------------------------------------------------------------------------------------------


def test_one_probe_at_a_time() -> None:
    """The others are told to come back soon."""
    bench = Bench().half_open()
    assert bench.wait() is None
    bench.begin()
    assert bench.wait() == SOON_SECONDS


def test_a_probe_that_does_well_closes_it() -> None:
    """With nothing left of what was."""
    bench = Bench().half_open()
    bench.one()
    assert (bench.state, bench.wait()) == ("CLOSED", None)
    bench.fail(4)
    assert bench.state == "CLOSED"


def test_a_probe_that_does_not_opens_it_again() -> None:
    """For as long as before."""
    bench = Bench().half_open()
    bench.one(Ended.BADLY)
    assert (bench.state, bench.wait()) == ("OPEN", 30)


@pytest.mark.parametrize("how", [Ended.NEITHER, Ended.CUT])
def test_a_probe_that_says_nothing_is_followed_by_another(how: Ended) -> None:
    """A request that was refused is no answer to the question, nor is one that was stopped from here."""
    bench = Bench().half_open()
    for _ in range(3):
        bench.one(how)
        assert (bench.state, bench.wait()) == ("HALF_OPEN", None)


@pytest.mark.parametrize(("seconds", "state"), [(0.9, "HALF_OPEN"), (1.1, "OPEN")])
def test_a_probe_that_was_stopped_when_it_was_late_has_failed(seconds: float, state: str) -> None:
    """Of a target that hangs each probe may be stopped, by a deadline or a caller; an answer would have come by then."""
    bench = Bench().half_open()
    assert bench.wait(3, 1) is None
    [probe] = bench.begin()
    bench.now += seconds
    bench.end(probe, how=Ended.CUT)
    assert bench.state == state


def test_a_probe_that_hangs_has_failed() -> None:
    """From when it is overdue; should it do well after all, the target is back."""
    bench = Bench().half_open()
    [probe] = bench.begin()
    bench.now += 3.1
    assert bench.wait(3) == 30
    bench.now += 10
    bench.end(probe)
    assert bench.state == "CLOSED"


def test_a_probe_of_which_nobody_knows_what_is_usual_ends_some_time() -> None:
    """After as long as the target was left alone; calls from before, of which nothing was heard either, change nothing about it."""
    bench = Bench()
    bench.begin(3)
    bench.opened()
    bench.now += 30
    bench.begin()
    bench.now += 30
    assert bench.wait() == SOON_SECONDS
    bench.now += 1
    assert (bench.wait(), bench.state) == (30, "OPEN")


def test_calls_of_the_time_before_say_nothing_any_more() -> None:
    """What hung then times out now, and the target is back since."""
    bench = Bench()
    hanging = bench.begin(10)
    bench.opened()
    bench.now += 30
    bench.one()
    bench.end(*hanging, how=Ended.BADLY)
    assert (bench.state, bench.breaker.suspects) == ("CLOSED", False)


def test_a_hint_is_followed() -> None:
    """A server that asks for longer gets it, within reason; and one opening is as long as the other."""
    bench = Bench(Limits(failures=3, open_seconds=5))
    bench.opened()
    seen = [bench.wait()]
    for _ in range(2):
        bench.now += bench.wait() or 0
        bench.one(Ended.BADLY)
        seen.append(bench.wait())
    assert seen == [5, 5, 5]
    bench.now += 30
    bench.one(Ended.BADLY, hint=77)
    assert bench.wait() == 77
    bench.now += 77
    bench.one(Ended.BADLY, hint=1e9)
    assert bench.wait() == 300
    bench.now += 300
    bench.one()
    assert bench.opened().wait() == 5
