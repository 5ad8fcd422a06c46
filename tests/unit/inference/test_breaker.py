"""A target's breaker: what opens it, what it lets through, what closes it, and how far peers are believed."""

import math

import pytest

from quarry.inference.breaker import SOON_SECONDS, Breaker, Call, Ended, Limits
from quarry.inference.patience import Patience

LIMITS = Limits(failures=5, window_seconds=60, open_seconds=30)


class Bench:
    """A breaker, and the time."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.patience = Patience()
        self.breaker = Breaker(limits, self.patience)
        self.now = 1000.0

    @property
    def state(self) -> str:
        return self.breaker.state(self.now).name

    def wait(self, overdue: float = math.inf, late: float = math.inf, passed: float | None = None) -> float | None:
        self.patience.overdue[0], self.patience.late[0] = overdue, late
        self.patience.passed[0] = overdue if passed is None else passed
        return self.breaker.wait(self.now)

    def begin(self, count: int = 1) -> list[Call]:
        """That many calls, whatever `wait` says."""
        return [self.breaker.begin(self.now) for _ in range(count)]

    def end(self, *calls: Call, how: Ended = Ended.WELL, hint: float | None = None) -> None:
        for call in calls:
            self.breaker.end(call, how, self.now, hint)

    def one(self, how: Ended = Ended.WELL, hint: float | None = None) -> None:
        """A call that ends at once."""
        self.end(*self.begin(), how=how, hint=hint)

    def fail(self, count: int) -> None:
        for _ in range(count):
            self.one(Ended.BADLY)

    def opened(self) -> "Bench":
        self.fail(self.breaker._limits.failures)  # noqa: SLF001 - its own test
        assert self.state == "OPEN"
        return self

    def half_open(self) -> "Bench":
        self.opened()
        self.now += 30
        assert self.state == "HALF_OPEN"
        return self


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


# --- calls that take long ---------------------------------------------------------------------------------------------


def test_a_hang_is_noticed_before_anything_has_ended() -> None:
    """Five calls that are overdue, and no timer: somebody asks."""
    bench = Bench()
    bench.begin(8)
    bench.now += 3
    assert bench.wait(3) is None
    bench.now += 1
    assert (bench.wait(3), bench.state) == (30, "OPEN")


def test_where_nothing_answers_any_more_what_is_only_late_counts_too() -> None:
    """One is overdue, four that began later are late, none of them has done well: it need not be waited for each."""
    bench = Bench()
    for _ in range(5):
        bench.begin()
        bench.now += 0.5
    bench.now += 0.75
    assert (bench.wait(3, 1), bench.state) == (30, "OPEN")


def test_one_that_hangs_while_others_answer_is_one() -> None:
    """A call that began after it has done well: those that are late may be slow, and no more."""
    bench = Bench()
    bench.begin()
    bench.one()
    bench.now += 2.5
    bench.begin(6)
    bench.now += 1.2
    assert (bench.wait(3, 1), bench.state) == (None, "CLOSED")


def test_those_that_a_later_call_has_passed_are_given_more_time() -> None:
    """They may be rare long ones; but where they take longer than any did, they hang."""
    bench = Bench()
    bench.begin(8)
    bench.one()
    bench.now += 19
    assert (bench.wait(3, 1, passed=20), bench.state) == (None, "CLOSED")
    bench.now += 2
    assert (bench.wait(3, 1, passed=20), bench.state) == (30, "OPEN")


def test_an_answer_of_before_passes_nobody() -> None:
    """Those that began after it are overdue as soon as any."""
    bench = Bench()
    [before] = bench.begin()
    bench.begin(8)
    bench.end(before)
    bench.now += 4
    assert (bench.wait(3, 1, passed=20), bench.state) == (30, "OPEN")


def test_each_kind_has_its_own_time() -> None:
    """A long call is not late where a short one would be; short ones that hang behind it are, however long it may take."""
    bench = Bench()
    bench.patience.overdue[:2] = [3, 300]
    for _ in range(6):
        bench.breaker.begin(bench.now, 1)
    bench.now += 100
    assert (bench.breaker.wait(bench.now), bench.state) == (None, "CLOSED")
    bench.begin(12)
    bench.now += 4
    assert (bench.breaker.wait(bench.now), bench.state) == (30, "OPEN")


def test_an_answer_ends_the_doubt_of_those_that_are_late() -> None:
    """One was overdue, and then a call that began after it did well: the others have their time."""
    bench = Bench()
    bench.begin()
    bench.now += 2.9
    answered = bench.begin()
    bench.begin(6)
    bench.now += 0.2
    assert bench.wait(3, 1) is None
    bench.end(*answered)
    bench.now += 2
    assert (bench.wait(3, 1), bench.state) == (None, "CLOSED")


def test_what_was_only_slow_is_forgiven() -> None:
    """It counted as failed and did well: with too few failures left, it closes."""
    bench = Bench()
    slow = bench.begin(6)
    bench.now += 4
    assert bench.wait(3) == 30
    bench.end(slow[0])
    assert bench.state == "OPEN"
    bench.end(slow[1])
    assert bench.state == "CLOSED"


def test_an_answer_of_before_does_not_close_it() -> None:
    """Its call began between the failures, and was not slow: the later ones stand, and a probe decides."""
    bench = Bench()
    bench.fail(1)
    [late] = bench.begin()
    bench.fail(4)
    bench.end(late)
    assert bench.state == "OPEN"


def test_an_overdue_call_that_fails_counts_once() -> None:
    """And one that is refused after all not at all."""
    bench = Bench()
    calls = bench.begin(4)
    bench.now += 4
    bench.wait(3)
    bench.end(*calls[:2], how=Ended.BADLY)
    bench.end(calls[2], how=Ended.NEITHER)
    assert bench.state == "CLOSED"
    bench.fail(1)
    assert bench.state == "CLOSED"
    bench.fail(1)
    assert bench.state == "OPEN"


# --- peers ------------------------------------------------------------------------------------------------------------


def test_what_peers_leave_alone_is_left_alone() -> None:
    """Until the last of them has asked, and word of it has had time to come; it is not passed on as our own."""
    bench = Bench()
    bench.breaker.follow([20, 25], bench.now)
    assert (bench.wait(), bench.breaker.heard, bench.breaker.opening(bench.now)) == (31, True, 0)


def test_our_own_answers_weigh_more() -> None:
    """For ten seconds; and what peers say while a probe is under way is of no effect."""
    bench = Bench()
    bench.one()
    bench.now += 9
    bench.breaker.follow([20, 25], bench.now)
    assert bench.wait() is None
    bench.now += 2
    bench.breaker.follow([18, 23], bench.now)
    assert bench.wait() == 29
    bench = Bench().half_open()
    [probe] = bench.begin()
    bench.breaker.follow([20, 25], bench.now)
    assert bench.state == "HALF_OPEN"
    bench.end(probe)
    bench.breaker.follow([20, 25], bench.now)
    assert bench.state == "CLOSED"


def test_our_own_failures_weigh_more_than_older_answers() -> None:
    """Of a target that hangs the last answers are seconds old; but where many do well beside an odd failure, they count."""
    hanging, healthy = Bench(), Bench()
    hanging.one()
    healthy_calls = healthy.begin(4)
    for bench in (hanging, healthy):
        bench.fail(1)
    healthy.end(*healthy_calls)
    for bench in (hanging, healthy):
        bench.breaker.follow([25], bench.now)
    assert (hanging.wait(), healthy.wait()) == (31, None)
    assert (hanging.breaker.suspects, healthy.breaker.suspects) == (True, False)


def test_of_those_that_have_opened_the_last_one_asks() -> None:
    """It goes by its own time, the others by its."""
    first, last = Bench().opened(), Bench().opened()
    first.breaker.follow([29, 31], first.now)
    last.breaker.follow([29, 28], last.now)
    assert (first.wait(), last.wait()) == (37, 30)
    assert first.breaker.opening(first.now) == 30


def test_peers_are_not_relied_on_for_ever() -> None:
    """A peer without network says the same again and again: after three openings we see for ourselves."""
    bench = Bench().opened()
    for _ in range(4):
        bench.breaker.follow([29, 30.5], bench.now)
        bench.now += 20
    assert bench.wait() == 10
    bench.now += 10
    bench.breaker.follow([29, 30.5], bench.now)
    assert bench.wait() is None


def test_the_same_news_again_changes_nothing() -> None:
    """By each reading it is milliseconds later."""
    bench = Bench()
    bench.breaker.follow([20, 25], bench.now)
    until = bench.breaker.until
    bench.breaker.follow([20, 25.2], bench.now)
    assert bench.breaker.until == until
