"""A target's breaker: how far peers are believed."""

from tests.unit.inference.breaker_bench import Bench


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
