"""One invocation: the order of things, the retry inside an attempt, and what is counted."""

import asyncio

import pytest

from quarry.errors import (
    InvocationError,
    InvocationTimedOut,
    LeaseLost,
    ModelFailed,
    ModelNotFound,
    ProviderUnavailable,
    Throttled,
)
from quarry.inference.engine import timeout_for
from quarry.invocation import Target
from quarry.testing.provider import Hold
from tests.unit.inference.engine_bench import HELLO, Bench


async def test_an_answer_is_handed_on() -> None:
    """The completion of the target, its labels passed, its call and its tokens counted."""
    bench = Bench("hi")
    assert (await bench.invoke()).text == "hi"
    [call] = bench.provider.calls
    assert (call.labels, call.timeout) == ({"a": "b"}, timeout_for(HELLO))
    assert bench.invocations("completed") == 1


async def test_what_was_never_sent_is_tried_again() -> None:
    """A 503 or a refused connection is over within seconds, and cannot have been billed: the attempt goes on."""
    bench = Bench(ProviderUnavailable("503"), ProviderUnavailable("503"), "hi")
    assert (await bench.invoke()).text == "hi"
    assert (len(bench.provider.calls), bench.asked) == (3, 3)
    assert bench.invocations("provider_unavailable") == 2
    assert 0 < bench.waited_seconds <= 1.5


async def test_the_tries_are_few() -> None:
    """After three the queue waits, not the slot; the last error is what the caller gets."""
    last = ProviderUnavailable("the third")
    bench = Bench(ProviderUnavailable("503"), ProviderUnavailable("503"), last, "never")
    with pytest.raises(ProviderUnavailable) as caught:
        await bench.invoke()
    assert caught.value is last
    assert len(bench.provider.calls) == 3


@pytest.mark.parametrize("error", [InvocationTimedOut("?"), ModelFailed("500"), Throttled("429"), ValueError("a bug")])
async def test_what_may_be_billed_is_never_repeated(error: Exception) -> None:
    """One call, then the error as it is: whether to pay again is not the engine's to decide here."""
    bench = Bench(error, "never")
    with pytest.raises(type(error)) as caught:
        await bench.invoke()
    assert caught.value is error
    assert (len(bench.provider.calls), bench.waited_seconds) == (1, 0)


async def test_a_hint_is_honoured_or_left_to_the_queue() -> None:
    """A server that asks for two seconds gets them; one that asks for a minute ends the attempt."""
    bench = Bench(ProviderUnavailable("503", retry_after_seconds=2), "hi")
    await bench.invoke()
    assert bench.waited_seconds == pytest.approx(2)
    bench = Bench(ProviderUnavailable("503", retry_after_seconds=60), "never")
    with pytest.raises(ProviderUnavailable):
        await bench.invoke()
    assert bench.waited_seconds == 0


async def test_the_time_for_the_answer_covers_all_tries() -> None:
    """A later try has what the waits left of the timeout."""
    bench = Bench(ProviderUnavailable("503", retry_after_seconds=4), "hi")
    await bench.invoke()
    first, second = bench.provider.calls
    assert second.timeout.total_seconds() <= first.timeout.total_seconds() - 4


async def test_a_lost_lease_ends_the_walk() -> None:
    """The lease is looked at before every call, the repeated one too; without it there is none."""
    bench = Bench(ProviderUnavailable("503"), "never")
    bench.lost_after = 1
    with pytest.raises(LeaseLost):
        await bench.invoke()
    assert len(bench.provider.calls) == 1


async def test_cancelling_reaches_the_call() -> None:
    """A drain or a cancel ends the call itself, and is counted as that."""
    hold = Hold("never")
    bench = Bench(hold)
    task = asyncio.create_task(bench.call())
    await hold.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (bench.provider.cancelled, bench.invocations("cancelled")) == (1, 1)


async def test_a_provider_that_is_not_there_is_ours() -> None:
    """A route that names a provider which this worker was not built with waits; it does not fail the job."""
    with pytest.raises(ModelNotFound) as caught:
        await Bench().invoke(Target("other", "", "m"))
    error: InvocationError = caught.value
    assert (error.blames, error.target) == ("us", "other/m")
