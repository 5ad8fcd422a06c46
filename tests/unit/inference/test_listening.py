"""The engine, where somebody listens."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import InvocationError, ModelFailed, ProviderUnavailable, Throttled
from quarry.inference.candidates import Request
from quarry.inference.engine import Engine
from quarry.inference.routes import Route, RouteTarget
from quarry.invocation import Invocation, Target
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import an_invocation
from quarry.testing.clock import FakeClock
from quarry.testing.provider import Hold, ScriptedProvider, Step

TARGET, OTHER = (Target("bedrock", region, "m") for region in ("us-east-1", "us-west-2"))
HELLO: Invocation = an_invocation("hello")


class Bench:
    """An engine over scripted targets, and what was heard of them."""

    def __init__(self, *steps: Step) -> None:
        self.clock, self.registry, self.heard = FakeClock(), CollectorRegistry(), list[str]()
        self.provider = ScriptedProvider(*steps)
        self.engine = Engine({"bedrock": self.provider}, InferenceMetrics(self.registry), self.clock)

    async def walk(self, *places: RouteTarget, listening: bool = True) -> str:
        async def before_call(_target: Target) -> None:
            self.heard.clear()

        route = Route("default", places or (RouteTarget(TARGET),))
        request = Request(HELLO, heard=self.heard.append if listening else None)
        return (await self.engine.invoke(route, request, before_call)).text

    def first_tokens(self, part: str = "count", target: Target = TARGET) -> float | None:
        labels = {"provider": target.provider, "region": target.region, "model": target.model}
        return self.registry.get_sample_value(f"quarry_time_to_first_token_seconds_{part}", labels)


async def test_a_listener_hears_the_answer() -> None:
    """Piece by piece, and the time until the first is observed, once a call."""
    hold = Hold("It is so.", said="It ")
    bench = Bench(hold)
    task = asyncio.create_task(bench.walk())
    await hold.reached.wait()
    assert (bench.heard, bench.first_tokens()) == (["It "], 1)
    await bench.clock.advance(5)
    hold.release.set()
    assert await task == "".join(bench.heard) == "It is so."
    assert (bench.first_tokens(), bench.first_tokens("sum")) == (1, 0)


async def test_without_a_listener_nothing_is_streamed() -> None:
    """But where the route says so of the target, for the sake of noticing a stall; that is timed too."""
    bench = Bench("a", "b")
    await bench.walk(listening=False)
    assert (bench.provider.calls[0].streamed, bench.first_tokens()) == (False, None)
    await bench.walk(RouteTarget(TARGET, streamed=True), listening=False)
    assert (bench.provider.calls[1].streamed, bench.heard, bench.first_tokens()) == (True, [], 1)


@pytest.mark.parametrize("refusal", [ProviderUnavailable("503"), Throttled("429")])
async def test_the_next_target_is_heard_too(refusal: InvocationError) -> None:
    """Where the first one refused before it said anything."""
    bench = Bench(refusal, "It is so.")
    assert await bench.walk(RouteTarget(TARGET), RouteTarget(OTHER)) == "It is so." == "".join(bench.heard)
    assert (bench.first_tokens(), bench.first_tokens(target=OTHER)) == (None, 1)


async def test_what_was_heard_is_not_asked_for_again() -> None:
    """A call that broke after a part of its answer may be billed: the attempt is over."""
    hold = Hold(ModelFailed("throttled: in the middle"), said="It ")
    bench = Bench(hold, "never")
    hold.release.set()
    with pytest.raises(ModelFailed):
        await bench.walk(RouteTarget(TARGET), RouteTarget(OTHER))
    assert (len(bench.provider.calls), bench.heard) == (1, ["It "])
