"""The board: what counts for which breaker, what is usual, what is shared with peers, and what is told."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import (
    AccessDenied,
    CircuitOpen,
    ContextTooLong,
    CredentialsExpired,
    InvocationError,
    InvocationRejected,
    InvocationTimedOut,
    MalformedCompletion,
    ModelFailed,
    ModelNotFound,
    ModelNotReady,
    ProviderUnavailable,
    QuotaExceeded,
    Throttled,
)
from quarry.inference.board import Board
from quarry.inference.breaker import Limits
from quarry.invocation import Target
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import FakeClock

TARGET, OTHER = (Target("bedrock", region, "m") for region in ("us-east-1", "us-west-2"))
LABELS = {"provider": "bedrock", "region": "us-east-1", "model": "m"}


class Bench:
    """A board."""

    def __init__(self, limits: Limits | None = Limits()) -> None:  # noqa: B008 - frozen
        self.clock = FakeClock()
        self.registry = CollectorRegistry()
        self.board = Board(limits, InferenceMetrics(self.registry), self.clock)

    async def call(self, error: BaseException | None = None, *, seconds: float = 0, target: Target = TARGET) -> None:
        """A call that takes so long, and ends so."""
        with suppress(*([type(error)] if error else [])), self.board.call(target):
            await self.clock.advance(seconds)
            if error:
                raise error

    def is_asked(self, target: Target = TARGET) -> bool:
        """Whether the target is."""
        try:
            self.board.admit(target)
        except CircuitOpen:
            return False
        return True

    @property
    def state(self) -> float | None:
        """By the metric."""
        return self.registry.get_sample_value("quarry_breaker_state", LABELS)

    def openings(self, reason: str) -> float | None:
        """By the metric."""
        return self.registry.get_sample_value("quarry_breaker_openings_total", LABELS | {"reason": reason})


@pytest.mark.parametrize("kind", [ProviderUnavailable, ModelNotReady, ModelFailed, InvocationTimedOut])
async def test_the_providers_failures_count(kind: type[InvocationError]) -> None:
    """Five of them, and the target is left alone for thirty seconds; the others are not."""
    bench = Bench()
    for _ in range(5):
        assert (bench.is_asked(), bench.state) == (True, 0)
        await bench.call(kind("x"))
    with pytest.raises(CircuitOpen) as caught:
        bench.board.admit(TARGET)
    assert (caught.value.target, caught.value.retry_after_seconds) == (str(TARGET), 30)
    assert (bench.is_asked(OTHER), bench.state, bench.openings("local")) == (True, 2, 1)


@pytest.mark.parametrize(
    "error",
    [
        Throttled("x"),
        InvocationRejected("x"),
        ContextTooLong("x"),
        MalformedCompletion("x"),
        AccessDenied("x"),
        ModelNotFound("x"),
        CredentialsExpired("x"),
        QuotaExceeded("x"),
        ValueError("a bug"),
        asyncio.CancelledError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_not_the_targets_fault_does_not_count(error: BaseException) -> None:
    """The request's, ours, or nobody's."""
    bench = Bench()
    for _ in range(20):
        await bench.call(error)
    assert bench.is_asked()


async def test_throttles_between_answers_leave_it_as_it_is() -> None:
    """A target at its quota answers some and refuses some."""
    bench = Bench()
    for _ in range(20):
        await bench.call(Throttled("x"))
        await bench.call(Throttled("x"))
        await bench.call()
    assert bench.is_asked()


async def test_what_takes_far_longer_than_usual_counts_before_it_ends() -> None:
    """Five times what 95 of 100 take, at least three seconds; the heartbeat looks where nobody else asks."""
    bench = Bench()
    for seconds in (0.1, 0.1, 0.1, 2, 0.1):
        await bench.call(seconds=seconds)
    bench.board.openings()
    under_way = [bench.board.call(TARGET) for _ in range(5)]
    for each in under_way:
        each.__enter__()
    await bench.clock.advance(9.9)
    assert bench.board.openings() == {}
    await bench.clock.advance(0.2)
    assert bench.board.openings() == {str(TARGET): 30}
    for each in under_way:
        each.__exit__(None, None, None)
    assert bench.is_asked()


async def test_what_is_quick_is_not_overdue_before_three_seconds() -> None:
    """A pause of the network is none of the target's; whoever asks next learns of a longer one."""
    bench = Bench()
    for _ in range(5):
        await bench.call(seconds=0.01)
    under_way = [bench.board.call(TARGET) for _ in range(5)]
    for each in under_way:
        each.__enter__()
    await bench.clock.advance(2.9)
    assert bench.is_asked()
    await bench.clock.advance(0.2)
    assert not bench.is_asked()


async def test_nothing_is_overdue_before_anything_is_usual() -> None:
    """A first answer may take as long as it likes."""
    bench = Bench()
    for _ in range(4):
        await bench.call(seconds=1)
    under_way = [bench.board.call(TARGET) for _ in range(10)]
    for each in under_way:
        each.__enter__()
    await bench.clock.advance(1000)
    assert bench.is_asked()


async def test_of_two_that_were_admitted_one_begins() -> None:
    """Where there is room for one: between the question and the call, a lease may have been renewed."""
    bench = Bench()
    for _ in range(5):
        await bench.call(ModelFailed("x"))
    await bench.clock.advance(30)
    assert (bench.is_asked(), bench.is_asked()) == (True, True)
    with bench.board.call(TARGET), pytest.raises(CircuitOpen), bench.board.call(TARGET):
        pass


async def test_who_failed_and_throttles_is_left_alone_for_the_longer_time() -> None:
    """Both have to agree."""
    bench = Bench()
    with suppress(ModelFailed), bench.board.call(TARGET):
        with suppress(Throttled), bench.board.call(TARGET):
            for error in (ModelFailed("x"), ModelFailed("x"), ModelFailed("x"), ModelFailed("x"), Throttled("x"), Throttled("x")):
                await bench.call(error)
            raise Throttled("x")
        raise ModelFailed("x")
    with pytest.raises(CircuitOpen) as caught:
        bench.board.admit(TARGET)
    assert caught.value.retry_after_seconds == 30


async def test_peers_hear_at_once() -> None:
    """When it opens, and when it closes."""
    bench = Bench()
    for _ in range(5):
        await bench.call(ModelFailed("x"))
    assert bench.board.changed.is_set()
    bench.board.changed.clear()
    await bench.clock.advance(12)
    assert bench.board.openings() == {str(TARGET): 18}
    await bench.clock.advance(20)
    assert bench.board.openings() == {}
    await bench.call()
    assert bench.board.changed.is_set()


TEN: Mapping[str, float] = {str(TARGET): 10.0}


@pytest.mark.parametrize(
    ("peers", "failures", "asked"),
    [
        ([TEN], 0, True),
        ([TEN, {}], 0, True),
        ([TEN, TEN], 0, False),
        ([TEN], 1, False),
        ([], 4, True),
        ([{str(OTHER): 10.0}], 1, True),
    ],
    ids=["one", "one of two", "two", "one, and it fails here", "none", "of another target"],
)
async def test_it_takes_two_to_be_believed(peers: list[Mapping[str, float]], failures: int, asked: bool) -> None:
    """A single peer may have lost its own network; what fails here as well has a second witness."""
    bench = Bench()
    bench.is_asked()
    for _ in range(failures):
        await bench.call(ProviderUnavailable("x"))
    bench.board.follow(peers)
    assert bench.is_asked() is asked
    assert bench.openings("peer") == (None if asked else 1)
    assert bench.board.openings() == {}


async def test_who_comes_later_has_heard_of_it() -> None:
    """A worker that starts in the middle of an outage: a target that it has never asked is left alone from the first moment."""
    bench = Bench()
    bench.board.follow([TEN, TEN])
    await bench.clock.advance(2)
    with pytest.raises(CircuitOpen) as caught:
        bench.board.admit(TARGET)
    assert caught.value.retry_after_seconds == 14
    assert bench.is_asked(OTHER)


async def test_it_can_be_off() -> None:
    """Then every target is asked, always."""
    bench = Bench(None)
    for _ in range(20):
        await bench.call(ProviderUnavailable("x"))
    bench.board.follow([TEN, TEN])
    assert (bench.is_asked(), bench.board.openings()) == (True, {})
