"""A route whose targets are full: the next one is asked at once; where all are, the request waits; and what is told of it."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import CeilingReached, CircuitOpen, InvocationError, LeaseLost, ProviderUnavailable, Throttled
from quarry.inference.candidates import Candidate, Request
from quarry.inference.engine import Engine
from quarry.inference.governor import Governor
from quarry.inference.routes import Route, RouteTarget
from quarry.invocation import Completion, Invocation, Target
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import FakeClock
from quarry.testing.provider import ScriptedProvider, Step

EAST, WEST = Target("bedrock", "us-east-1", "m"), Target("bedrock", "us-west-2", "m")
HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hello"}]},), max_tokens=100)
TOO_MANY = "Too many requests, please wait before trying again."


class Bench:
    """An engine over two regions, with ceilings in requests a minute; with None a region has none."""

    def __init__(self, *steps: Step, east: int | None = 30, west: int | None = 30, wait_seconds: float = 10.0) -> None:
        self.provider, self.clock, self.registry = ScriptedProvider(*steps), FakeClock(), CollectorRegistry()
        metrics = InferenceMetrics(self.registry)
        self.governor = Governor(metrics, self.clock, wait_seconds=wait_seconds, draw=lambda: 0.0)
        self.engine = Engine({"bedrock": self.provider}, metrics, self.clock, governor=self.governor)
        self.east, self.west = RouteTarget(EAST, requests_per_minute=east), RouteTarget(WEST, requests_per_minute=west)
        self.lost = False

    async def before_call(self, _target: Target) -> None:
        if self.lost:
            raise LeaseLost

    async def call(self, *places: RouteTarget) -> Completion:
        route = Route("default", places or (self.east, self.west))
        return await self.engine.invoke(route, Request(HELLO), self.before_call)

    def waits(self, outcome: str, what: str = "count") -> float | None:
        """How many, or how long together."""
        return self.registry.get_sample_value(f"quarry_limiter_wait_seconds_{what}", {"outcome": outcome})


async def test_a_full_target_hands_on_at_once() -> None:
    """The second call is the second region's, and the history says why. No time passes."""
    bench = Bench()
    assert (await bench.call()).served_by == EAST
    second = await bench.call()
    assert second.served_by == WEST
    [passed] = second.fallbacks
    assert (passed.target, passed.reason, passed.seconds, passed.skipped) == (str(EAST), "ceiling_reached", 0.0, True)
    assert bench.clock.monotonic() == 0


async def test_where_all_are_full_the_request_waits_in_its_slot() -> None:
    """For the first that has room; how long it waited, and for what, is in the history, and in a metric."""
    bench = Bench(east=30, west=20)
    await bench.call()
    await bench.call()
    third = await bench.clock.run(bench.call())
    assert third.served_by == EAST
    assert bench.clock.monotonic() == pytest.approx(1.5, abs=0.01)
    assert [(each.target, each.reason, each.seconds) for each in third.fallbacks] == [
        (str(EAST), "ceiling_reached", pytest.approx(1.5, abs=0.01)),
        (str(WEST), "ceiling_reached", 0.0),
    ]
    assert bench.waits("served") == 1
    assert bench.waits("served", "sum") == pytest.approx(1.5, abs=0.01)


async def test_who_has_waited_for_long_goes_back_to_the_queue() -> None:
    """With the error of the target that has room first, and when to come back."""
    bench = Bench(east=4, west=3)
    await bench.call()
    await bench.call()
    with pytest.raises(CeilingReached) as caught:
        await bench.clock.run(bench.call())
    assert caught.value.target == str(EAST)
    assert caught.value.retry_after_seconds == pytest.approx(14.5)
    assert [each.target for each in caught.value.refusals] == [str(EAST), str(WEST)]
    assert len(bench.provider.calls) == 2


async def test_a_wait_after_a_throttle_is_told_too() -> None:
    """It was asked, it refused, and it was waited for: three facts, and the call itself is none of the waiting."""
    bench = Bench(Throttled(TOO_MANY), "hi", east=None)
    answer = await bench.clock.run(bench.call(bench.east))
    assert answer.text == "hi"
    asked, waited = answer.fallbacks
    assert (asked.reason, asked.skipped) == ("throttled", False)
    assert (waited.target, waited.reason, waited.skipped) == (str(EAST), "limit_reached", True)
    assert waited.seconds == pytest.approx(bench.clock.monotonic(), abs=0.01)


async def test_one_attempt_makes_few_throttled_calls() -> None:
    """After five it waits no more in its slot: the queue has more patience."""
    bench = Bench(*(Throttled(TOO_MANY) for _ in range(50)), east=None)
    with pytest.raises(Throttled):
        await bench.clock.run(bench.call(bench.east))
    assert len(bench.provider.calls) == 5


async def test_only_who_may_have_room_in_a_moment_is_waited_for() -> None:
    """A region that is away is not asked again in this attempt."""
    bench = Bench("hi", ProviderUnavailable("503"), "hi", west=None)
    await bench.call(bench.east)
    answer = await bench.clock.run(bench.call())
    assert answer.served_by == EAST
    assert [call.target for call in bench.provider.calls] == [EAST, WEST, EAST]


async def test_a_call_that_does_not_begin_gives_its_room_back() -> None:
    """The lease was lost while it waited: the next one has the turn."""
    bench = Bench()
    bench.lost = True
    for _ in range(3):
        with pytest.raises(LeaseLost):
            await bench.call(bench.east)
    bench.lost = False
    assert (await bench.call(bench.east)).served_by == EAST


async def test_a_breaker_that_is_open_takes_no_room() -> None:
    """Nobody is asked there, so nothing is taken."""
    bench = Bench(*(ProviderUnavailable("503") for _ in range(20)), east=60, west=60)
    for _ in range(8):
        with pytest.raises(InvocationError):
            await bench.call()
        await bench.clock.advance(1)
    for _ in range(5):
        with pytest.raises(CircuitOpen):
            await bench.call()
    bench.governor.enter(Candidate(bench.east, HELLO))


async def test_a_stop_while_it_waits_is_counted_and_takes_nothing() -> None:
    """A drain cuts the waits as it cuts the calls."""
    bench = Bench()
    await bench.call(bench.east)
    waiting = asyncio.create_task(bench.call(bench.east))
    await bench.clock.settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert bench.waits("cancelled") == 1
    await bench.clock.advance(1.5)
    assert (await bench.call(bench.east)).served_by == EAST
