"""A target's breaker: what it makes of calls that take long."""

from quarry.inference.breaker import Ended
from tests.unit.inference.breaker_bench import Bench


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
