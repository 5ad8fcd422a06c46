"""The governor: who may begin at once, who waits in line and for how long, and that no permit is lost."""

import asyncio
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import CeilingReached, LimitReached, RequestLimitReached, Throttled, TokenLimitReached
from quarry.inference.candidates import Candidate
from quarry.inference.governor import Governor
from quarry.inference.limiter import Word
from quarry.inference.routes import RouteTarget
from quarry.invocation import Completion, Invocation, Target, Usage
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import FakeClock

HERE, THERE = Target("bedrock", "us-east-1", "m"), Target("bedrock", "us-west-2", "m")
HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hi"}]},), max_tokens=100)


def candidate(target: Target = HERE, requests: int | None = None, tokens: int | None = None) -> Candidate:
    return Candidate(RouteTarget(target, requests_per_minute=requests, tokens_per_minute=tokens), HELLO)


class Bench:
    """A governor, and those who come to it."""

    def __init__(self, wait_seconds: float = 10.0) -> None:
        self.clock, self.registry = FakeClock(), CollectorRegistry()
        self.governor = Governor(InferenceMetrics(self.registry), self.clock, wait_seconds=wait_seconds, draw=lambda: 0.0)
        self.served: list[str] = []

    def enter_all(self, place: Candidate) -> int:
        """As many as may begin at once."""
        for begun in range(1000):
            try:
                self.governor.enter(place)
            except LimitReached:
                return begun
        raise AssertionError("nothing holds it back")

    def throttle(self, place: Candidate, error: Throttled) -> None:
        """A call that is throttled."""
        with pytest.raises(Throttled), self.governor.call(place.place.target, self.governor.enter(place)):
            raise error

    async def come(self, name: str, places: Iterable[Candidate], rank: int = 1) -> "asyncio.Task[str]":
        """Somebody who waits; returns where it was served, or `sent away`."""

        async def wait() -> str:
            turn = await self.governor.turn(list(places), rank)
            if turn is None:
                return "sent away"
            self.served.append(name)
            with self.governor.call(turn[0].place.target, turn[1]):
                return turn[0].place.target.region

        task = asyncio.create_task(wait())
        await self.clock.settle()
        return task


async def test_a_full_target_is_told_at_once() -> None:
    """With the limit that holds it, and how long: the next target of the route is asked meanwhile."""
    bench = Bench()
    for place, kind in (
        (candidate(requests=60), CeilingReached),
        (candidate(Target("bedrock", "a", "m"), tokens=60), CeilingReached),
        (candidate(THERE), RequestLimitReached),
    ):
        bench.enter_all(place)
        with pytest.raises(LimitReached) as caught:
            bench.governor.enter(place)
        assert (type(caught.value), caught.value.target) == (kind, str(place.place.target))
        assert caught.value.retry_after_seconds


async def test_a_pause_and_the_limit_of_tokens_have_their_names() -> None:
    """After a throttle nobody is let in for a moment; and a quota of tokens that was found is called that."""
    bench = Bench()
    bench.throttle(candidate(), Throttled("Too many tokens, please wait."))
    with pytest.raises(LimitReached) as caught:
        bench.governor.enter(candidate())
    assert type(caught.value) is LimitReached
    word = Word(None, 1.0, pressed=True, spent=False, throttles=0, resumptions=0)
    bench.governor.follow({"peer": {str(THERE): word}})
    bench.governor.enter(candidate(THERE))
    with pytest.raises(TokenLimitReached):
        bench.governor.enter(candidate(THERE))


async def test_whoever_has_room_first_serves() -> None:
    """One waits before all its targets, and is served once."""
    bench = Bench()
    slow, fast = candidate(requests=6), candidate(THERE, requests=60)
    bench.enter_all(slow)
    bench.enter_all(fast)
    one = await bench.come("one", [slow, fast])
    await bench.clock.advance(1)
    assert await one == "us-west-2"
    await bench.clock.advance(20)
    assert bench.enter_all(slow) == 1, "its place in the other line has taken nothing"


async def test_the_more_urgent_are_served_first_and_nobody_waits_for_ever() -> None:
    """By rank; but who came long before is ahead of one that is more urgent."""
    bench, place = Bench(wait_seconds=100), candidate(requests=60)
    bench.enter_all(place)
    tasks = [await bench.come("low", [place], 2), await bench.come("normal", [place], 1), await bench.come("high", [place], 0)]
    await bench.clock.advance(4)
    assert bench.served == ["high", "normal", "low"]
    bench.served.clear()
    pause = Throttled("Too many requests", retry_after_seconds=15)
    await bench.clock.advance(10)
    bench.throttle(place, pause)
    tasks.append(await bench.come("old and low", [place], 2))
    await bench.clock.advance(11)
    tasks.append(await bench.come("new and high", [place], 0))
    await bench.clock.advance(20)
    assert bench.served == ["old and low", "new and high"]
    await asyncio.gather(*tasks)


async def test_nobody_overtakes_the_line() -> None:
    """Room that comes is for those who wait."""
    bench, place = Bench(), candidate(requests=60)
    permit = bench.governor.enter(place)
    waiting = await bench.come("one", [place])
    bench.governor.cancel(HERE, permit)
    with pytest.raises(LimitReached):
        bench.governor.enter(place)
    await bench.clock.advance(2)
    assert await waiting == "us-east-1"


async def test_nobody_waits_longer_than_is_allowed() -> None:
    """Not behind others either, who came later and were more urgent; and who would certainly wait longer is not kept at all."""
    bench, place = Bench(), candidate(requests=60)
    first = await bench.come("nobody waits", [place])
    assert await first == "us-east-1"
    bench.enter_all(place)
    low = await bench.come("low", [place], 2)
    highs = []
    for _ in range(40):
        highs.append(await bench.come("high", [place], 0))
        await bench.clock.advance(0.5)
        if low.done():
            break
    assert bench.clock.monotonic() == pytest.approx(10, abs=0.6)
    assert await low == "sent away"
    assert (await asyncio.gather(*(each for each in highs if each.done())))[-1] != ""
    await bench.clock.advance(30)
    await asyncio.gather(*highs)


async def test_a_pause_that_lasts_is_not_waited_for_in_a_slot() -> None:
    """Its end is known, and it is later than anybody waits."""
    bench, place = Bench(), candidate()
    bench.throttle(place, Throttled("Too many requests", retry_after_seconds=30))
    assert await (await bench.come("one", [place])) == "sent away"
    assert bench.clock.monotonic() == 0


async def test_without_time_to_wait_nobody_waits() -> None:
    """`QUARRY_LIMITER__WAIT_SECONDS=0`."""
    bench, place = Bench(wait_seconds=0), candidate(requests=60)
    bench.enter_all(place)
    assert await bench.clock.run(await bench.come("one", [place])) == "sent away"


@pytest.mark.parametrize("served", [False, True], ids=["waiting", "served in that very moment"])
async def test_who_stops_waiting_takes_nothing_along(served: bool) -> None:
    """The next one has the turn that would have been theirs."""
    bench, place = Bench(), candidate(requests=30)
    bench.enter_all(place)
    stopped, next_one = await bench.come("stopped", [place]), await bench.come("next", [place])

    async def stop() -> None:
        # The one that is served wakes after this one has seen it.
        [waiter, _] = bench.governor._waiting  # noqa: SLF001 - nobody else can know of the moment
        while not waiter.turn.done():  # noqa: ASYNC110 - it is the future of the other one that is looked at
            await asyncio.sleep(0)
        stopped.cancel()

    stopping = asyncio.create_task(stop())
    if not served:
        stopped.cancel()
    await bench.clock.advance(1.6)
    await stopping
    with pytest.raises(asyncio.CancelledError):
        await stopped
    await bench.clock.settle()
    await bench.clock.advance(0.4)
    assert next_one.done(), "two seconds are too few for two"
    assert await next_one == "us-east-1"


async def test_what_a_call_did_not_use_is_given_back() -> None:
    """By what the answer says: tokens of the output count as often as the model's quota counts them."""
    bench, place = Bench(), candidate(tokens=6000)
    with bench.governor.call(HERE, bench.governor.enter(place)) as answered:
        with pytest.raises(LimitReached):
            bench.governor.enter(place)
        answered(Completion((), "end_turn", filtered=False, usage=Usage(input_tokens=1, output_tokens=9), served_by=HERE))
    bench.governor.enter(place)


async def test_a_ceiling_that_is_edited_holds_from_then_on() -> None:
    """The routes file is followed while the worker runs."""
    bench = Bench()
    assert bench.enter_all(candidate(requests=60)) == 1
    await bench.clock.advance(60)
    assert bench.enter_all(candidate(requests=600)) >= 5


async def test_a_target_that_is_new_here_begins_with_what_peers_have_told() -> None:
    """In a fleet of ten it has a tenth of the ceiling from its first call on."""
    bench = Bench()
    bench.governor.follow({str(i): {} for i in range(9)})
    assert bench.enter_all(candidate(requests=600)) == 1
    word = Word(50.0, None, pressed=True, spent=False, throttles=3, resumptions=3)
    bench.governor.follow({"peer": {str(THERE): word}})
    bench.governor.enter(candidate(THERE))
    assert bench.governor.words()[str(THERE)].requests == pytest.approx(50 * 0.936)


async def test_the_gate_is_shut_while_all_targets_have_work_in_hand() -> None:
    """More would only wait in slots. One target with room, or that nobody knows yet, and it is open."""
    bench, full = Bench(), candidate(requests=60)
    bench.enter_all(full)
    tasks = [await bench.come(str(i), [full]) for i in range(3)]
    gate = asyncio.create_task(bench.governor.room(lambda: [HERE]))
    other = asyncio.create_task(bench.governor.room(lambda: [HERE, THERE]))
    await bench.clock.settle()
    assert (gate.done(), other.done()) == (False, True)
    await bench.clock.advance(3)
    assert gate.done()
    await asyncio.gather(*tasks, gate, other)


async def test_the_metrics_tell_the_paces() -> None:
    """Of requests and of tokens, a second."""
    bench = Bench()
    bench.governor.enter(candidate(requests=60))
    labels = {"provider": "bedrock", "region": "us-east-1", "model": "m", "limit": "requests"}
    assert bench.registry.get_sample_value("quarry_limiter_rate", labels) == 1


async def test_an_echo_is_not_held_back() -> None:
    """Nobody counts what it costs; a ceiling for it holds all the same."""
    bench, echo = Bench(), Target("echo", "local", "echo")
    for _ in range(500):
        bench.governor.enter(candidate(echo))
    assert bench.enter_all(candidate(echo, requests=60)) <= 1
