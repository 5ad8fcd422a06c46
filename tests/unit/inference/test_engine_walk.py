"""One invocation over several targets: who is asked next, who is left alone, and what ends the walk."""

import asyncio
from dataclasses import replace

import pytest

from quarry.errors import (
    AccessDenied,
    CircuitOpen,
    ContextTooLong,
    InvocationError,
    InvocationRejected,
    InvocationTimedOut,
    LeaseLost,
    LimitReached,
    ModelFailed,
    ModelNotFound,
    OutOfTime,
    ProviderUnavailable,
    Throttled,
)
from quarry.inference.candidates import Request
from quarry.inference.routes import Adaptation, Route, RouteTarget
from quarry.invocation import Fallback, Target
from quarry.testing.provider import Hold
from tests.unit.inference.engine_bench import HELLO, OTHERS, TARGET, Bench

# --- several targets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ProviderUnavailable("503"), Throttled("429"), AccessDenied("no"), ContextTooLong("long")])
async def test_the_next_target_is_asked_at_once(error: InvocationError) -> None:
    """Where it may help and nothing was paid: no wait, one call each, a lease for each, and the answer says who was passed over."""
    bench = Bench(error, "hi")
    completion = await bench.walk(TARGET, *OTHERS)
    assert [call.target for call in bench.provider.calls] == [TARGET, OTHERS[0]]
    assert (bench.asked, bench.waited_seconds) == (2, 0)
    assert [(each.target, each.reason) for each in completion.fallbacks] == [(str(TARGET), error.code)]


@pytest.mark.parametrize("error", [ModelFailed("500"), InvocationTimedOut("?"), InvocationRejected("no")])
async def test_what_ends_the_walk(error: InvocationError) -> None:
    """What may have been paid, and what no other target would mend; the error says who was passed over before."""
    bench = Bench(Throttled("429"), error, "never")
    with pytest.raises(type(error)) as caught:
        await bench.walk(TARGET, replace(TARGET, region="us-west-2"), *OTHERS)
    assert len(bench.provider.calls) == 2
    assert [each.reason for each in caught.value.fallbacks] == ["throttled"]


@pytest.mark.parametrize(
    ("errors", "chosen"),
    [
        ([AccessDenied("no"), Throttled("a", retry_after_seconds=9), Throttled("b", retry_after_seconds=3)], 2),
        ([ContextTooLong("long"), ProviderUnavailable("503"), AccessDenied("no")], 1),
        ([ContextTooLong("long"), AccessDenied("no"), ModelNotFound("?")], 1),
        ([ContextTooLong("long"), ContextTooLong("long"), ContextTooLong("long")], 0),
    ],
    ids=["the shortest wait", "capacity before all", "what we can mend", "the caller"],
)
async def test_a_route_that_is_exhausted(errors: list[InvocationError], chosen: int) -> None:
    """The error that leaves most to hope for stands for all, and names the others."""
    bench = Bench(*errors)
    with pytest.raises(InvocationError) as caught:
        await bench.walk(TARGET, *OTHERS)
    assert caught.value is errors[chosen]
    assert [each.reason for each in caught.value.fallbacks] == [each.code for i, each in enumerate(errors) if i != chosen]
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [each.reason for each in caught.value.refusals] == [each.code for each in errors]


HERE, THERE = (Target("bedrock", region, "amazon.nova-lite-v1:0") for region in ("us-east-1", "eu-west-1"))


async def test_one_that_was_asked_tells_more_than_one_that_was_skipped() -> None:
    """What bars a target is no news to the caller; what another one answered is."""
    bench = Bench(ContextTooLong("long"))
    route, request = Route.of("default", HERE, THERE), Request(HELLO, allowed_regions=("eu-west-1",))
    with pytest.raises(ContextTooLong) as caught:
        await bench.engine.invoke(route, request, bench.before_call)
    assert caught.value.fallbacks == (Fallback(str(HERE), "region_not_allowed", 0.0, skipped=True),)


async def test_an_answer_says_who_was_skipped_and_in_which_form_it_was_asked_for() -> None:
    """Skipped is not asked: no call, no lease."""
    bench = Bench("hi")
    route = Route("default", (RouteTarget(HERE), RouteTarget(THERE, adapt=Adaptation(max_tokens=10))))
    completion = await bench.engine.invoke(route, Request(HELLO, allowed_regions=("eu-west-1",)), bench.before_call)
    assert [(each.target, each.skipped) for each in completion.fallbacks] == [(str(HERE), True)]
    assert (completion.adapted, [call.invocation.max_tokens for call in bench.provider.calls]) == (("max_tokens",), [10])
    assert bench.asked == 1


async def test_who_would_say_the_same_is_not_asked() -> None:
    """The model to which the text is too long is not asked elsewhere; the answer tells that it was passed over, and why."""
    bench = Bench(ContextTooLong("long"), "hi")
    elsewhere = Target("bedrock", "us-west-2", TARGET.model)
    completion = await bench.walk(TARGET, elsewhere, OTHERS[0])
    assert completion.served_by == OTHERS[0]
    told = [(each.target, each.reason, each.skipped) for each in completion.fallbacks]
    assert told == [(str(TARGET), "context_too_long", False), (str(elsewhere), "context_too_long", True)]


async def test_a_lease_that_is_lost_ends_the_walk() -> None:
    """No further target is asked."""
    bench = Bench(Throttled("429"), "never")
    bench.lost_after = 1
    with pytest.raises(LeaseLost):
        await bench.walk(TARGET, *OTHERS)
    assert len(bench.provider.calls) == 1


# --- targets that are left alone --------------------------------------------------------------------------------------


async def test_a_target_that_fails_is_passed_over() -> None:
    """Five failures, and the next one is asked at once; the answer says that the first was skipped, and no lease is looked at."""
    bench = Bench(*(ModelFailed("500") for _ in range(5)), "hi")
    for _ in range(5):
        with pytest.raises(ModelFailed):
            await bench.walk(TARGET, *OTHERS)
    asked = bench.asked
    completion = await bench.walk(TARGET, *OTHERS)
    assert (completion.served_by, bench.asked) == (OTHERS[0], asked + 1)
    [passed] = completion.fallbacks
    assert (passed.target, passed.reason, passed.skipped) == (str(TARGET), "circuit_open", True)


async def test_where_all_are_left_alone_nobody_is_asked() -> None:
    """The job waits for the first of them to be asked again, at no cost."""
    bench = Bench(*(ProviderUnavailable("503") for _ in range(10)))
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            await bench.walk(TARGET, OTHERS[0])
    with pytest.raises(CircuitOpen) as caught:
        await bench.walk(TARGET, OTHERS[0])
    assert (caught.value.retry_after_seconds, caught.value.lacks_capacity) == (30, True)
    assert len(bench.provider.calls) == 10
    await bench.clock.advance(30)
    assert (await bench.walk(TARGET, OTHERS[0])).served_by == TARGET


async def test_the_tries_of_an_only_target_count_and_end() -> None:
    """Three tries of one job and two of the next open it; the third try is not made, nor waited for."""
    bench = Bench(*(ProviderUnavailable("503") for _ in range(5)), "never")
    with pytest.raises(ProviderUnavailable):
        await bench.invoke()
    with pytest.raises(CircuitOpen):
        await bench.invoke()
    assert len(bench.provider.calls) == 5
    assert bench.waited_seconds < 5
    await bench.clock.advance(20)
    before = bench.waited_seconds
    with pytest.raises(CircuitOpen):
        await bench.invoke()
    assert bench.waited_seconds == before


async def test_an_only_target_is_waited_for_where_a_call_under_way_decides() -> None:
    """After a failure few calls are begun; who finds them under way asks again within the second."""
    holds = [Hold("hi") for _ in range(4)]
    bench = Bench(ModelFailed("500"), *holds, "late")
    with pytest.raises(ModelFailed):
        await bench.call()
    under_way = [asyncio.create_task(bench.call()) for _ in holds]
    for hold in holds:
        await hold.reached.wait()
    late = asyncio.create_task(bench.call())
    await bench.clock.settle()
    assert len(bench.provider.calls) == 5
    for hold in holds:
        hold.release.set()
    await bench.clock.advance(1)
    assert (await late).text == "late"
    assert [(await each).text for each in under_way] == ["hi"] * 4


async def test_a_routes_only_target_is_not_asked_at_once_again() -> None:
    """It would only be refused: the job is told when to come back, and which limit it is that holds it up."""
    bench = Bench(Throttled("Too many requests, please wait."), "hi")
    with pytest.raises(Throttled) as caught:
        await bench.call()
    assert caught.value.limit == "requests"
    with pytest.raises(LimitReached) as held:
        await bench.call()
    await bench.clock.advance(held.value.retry_after_seconds or 0.0)
    assert (await bench.call()).text == "hi"


async def test_a_target_that_throttles_is_left_for_another_one() -> None:
    """One refusal, and the jobs go where they are served at once, for as long as the refusal tells."""
    bench, other = Bench(Throttled("429"), *["hi"] * 6), Target("bedrock", "us-west-2", "m")
    for _ in range(6):
        assert (await bench.walk(TARGET, other)).served_by == other
    assert [call.target for call in bench.provider.calls].count(TARGET) == 1


CLAUDE = Target("bedrock", "us-east-1", "anthropic.claude-sonnet-4-5-20250929-v1:0")
PROFILE = replace(CLAUDE, region="us-west-2", model=f"us.{CLAUDE.model}")
NOVA = Target("bedrock", "us-east-1", "amazon.nova-lite-v1:0")


@pytest.mark.parametrize("busy", [Throttled("429"), ProviderUnavailable("503")], ids=lambda error: error.code)
async def test_what_another_model_refuses_is_not_refused_by_one_that_is_busy(busy: InvocationError) -> None:
    """The request may be right for the model that it was written for: the job waits for that. The same model says it for both."""
    with pytest.raises(type(busy)) as caught:
        await Bench(busy, InvocationRejected("an extraneous key")).walk(CLAUDE, NOVA)
    assert [each.reason for each in caught.value.refusals] == [busy.code, "invocation_rejected"]
    with pytest.raises(InvocationRejected):
        await Bench(busy, InvocationRejected("an extraneous key")).walk(CLAUDE, PROFILE)


async def test_who_is_asked_first_speaks_for_all() -> None:
    """Nobody is asked whether a wrong request is right elsewhere, nor after one who had no access."""
    bench = Bench(InvocationRejected("an extraneous key"), "never")
    with pytest.raises(InvocationRejected):
        await bench.walk(CLAUDE, NOVA)
    assert len(bench.provider.calls) == 1
    with pytest.raises(InvocationRejected):
        await Bench(AccessDenied("x"), InvocationRejected("an extraneous key"), "never").walk(CLAUDE, NOVA)


@pytest.mark.parametrize("hint", [1.5, 3.0])
async def test_no_try_begins_without_time_for_an_answer(hint: float) -> None:
    """It would end as a call that may have been paid, and may not even have been sent."""
    refusal = ProviderUnavailable("503", retry_after_seconds=hint)
    bench = Bench(refusal, refusal, refusal)
    route = Route("default", (RouteTarget(TARGET, timeout_seconds=4),))
    with pytest.raises(ProviderUnavailable):
        await bench.clock.run(bench.engine.invoke(route, Request(HELLO), bench.before_call))
    assert min(call.timeout.total_seconds() for call in bench.provider.calls) >= 2


async def test_a_targets_own_timeout_goes_before() -> None:
    """Whatever is asked of it."""
    bench = Bench("hi")
    route = Route("default", (RouteTarget(TARGET, timeout_seconds=7.5),))
    await bench.engine.invoke(route, Request(HELLO), bench.before_call)
    [call] = bench.provider.calls
    assert call.timeout.total_seconds() == 7.5


# --- the deadline -----------------------------------------------------------------------------------------------------


async def test_a_walk_that_the_deadline_ends_tells_who_refused() -> None:
    """As one does that has come to its end: the error that counts, and all of them."""
    bench = Bench(Throttled("x", target=str(TARGET)))
    bench.late_after = 1
    with pytest.raises(OutOfTime) as caught:
        await bench.walk(TARGET, *OTHERS)
    assert isinstance(caught.value.refused, Throttled)
    assert [each.reason for each in caught.value.refused.refusals] == ["throttled"]


async def test_an_only_target_has_refused_where_the_deadline_ends_its_tries() -> None:
    """Each try asks whether a call may still begin."""
    bench = Bench(ProviderUnavailable("x", target=str(TARGET)))
    bench.late_after = 1
    with pytest.raises(OutOfTime) as caught:
        await bench.invoke()
    assert isinstance(caught.value.refused, ProviderUnavailable)
    assert [each.target for each in caught.value.refused.refusals] == [str(TARGET)]


async def test_where_nobody_was_come_to_nobody_has_refused() -> None:
    """A target that is barred by the request says nothing of whether the others would have served."""
    bench = Bench()
    bench.late_after = 0
    with pytest.raises(OutOfTime) as caught:
        await bench.engine.invoke(
            Route.of("default", HERE, THERE), Request(HELLO, allowed_regions=("eu-west-1",)), bench.before_call
        )
    assert caught.value.refused is None
