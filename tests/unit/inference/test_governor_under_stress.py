"""The governor where much happens at once: many who wait, other routes, changed ceilings, cancellation, bugs."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from quarry.errors import LimitReached, ProviderUnavailable
from quarry.inference.board import Board
from quarry.inference.candidates import Candidate, Request
from quarry.inference.engine import Engine
from quarry.inference.governor import Governor
from quarry.inference.limiter import Limiter, Permit
from quarry.inference.routes import Route, RouteTarget
from quarry.invocation import Invocation, Target
from quarry.telemetry.metrics import InferenceMetrics
from quarry.testing import FakeClock
from quarry.testing.provider import ScriptedProvider

HELLO = Invocation(messages=({"role": "user", "content": [{"text": "hello"}]},), max_tokens=100)


def candidate(model: str = "m", *, requests: int | None = None, tokens: int | None = None, max_tokens: int = 100) -> Candidate:
    place = RouteTarget(Target("bedrock", "us-east-1", model), requests_per_minute=requests, tokens_per_minute=tokens)
    return Candidate(place, replace(HELLO, max_tokens=max_tokens))


class Line:
    """A governor, and those who wait for it."""

    def __init__(self, wait_seconds: float = 10.0) -> None:
        self.clock = FakeClock()
        self.governor = Governor(InferenceMetrics(CollectorRegistry()), self.clock, wait_seconds=wait_seconds, draw=lambda: 0.5)
        self.waiting: list[asyncio.Task[tuple[Candidate, Permit] | None]] = []

    def fill(self, candidate: Candidate) -> int:
        """Let calls begin until there is no room."""
        for begun in range(1000):
            try:
                self.governor.enter(candidate)
            except LimitReached:
                return begun
        raise AssertionError("always room")

    async def wait(self, *candidates: Candidate, times: int = 1, rank: int = 1) -> None:
        self.waiting += [asyncio.create_task(self.governor.turn(candidates, rank)) for _ in range(times)]
        await self.clock.settle()

    @property
    def served(self) -> int:
        return sum(each.done() and not each.cancelled() and each.result() is not None for each in self.waiting)

    @property
    def refused(self) -> int:
        return sum(each.done() and not each.cancelled() and each.result() is None for each in self.waiting)


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    made = Line()
    yield made
    for each in made.waiting:
        each.cancel()
    await made.clock.settle()


async def test_those_who_wait_for_another_target_are_not_in_the_way() -> None:
    """A hundred wait for a fast one. The only one that wants the slow one was sent away each time: what for others takes a second
    would have taken it a minute.
    """
    async with line() as made:
        fast, slow = candidate("fast"), candidate("slow", requests=60)
        made.fill(fast)
        made.fill(slow)
        await made.wait(fast, times=90)
        await made.wait(slow)
        assert made.refused == 0
        await made.clock.advance(1)
        assert made.waiting[-1].result() is not None


async def test_where_tokens_are_what_lacks_they_tell_how_long_a_line_is() -> None:
    """Six calls a minute may begin, by their tokens: fifty that wait are full, however many requests might be made."""
    async with line() as made:
        large = candidate(tokens=6000, max_tokens=1000)
        made.fill(large)
        await made.wait(large, times=50)
        assert made.refused >= 48
        gate = asyncio.create_task(made.governor.room(lambda: [large.place.target]))
        await made.clock.settle()
        assert not gate.done()
        gate.cancel()


async def test_a_changed_ceiling_is_held_to() -> None:
    """The routes file is read again while the worker runs."""
    async with line() as made:
        made.fill(candidate(requests=60))
        for ceiling, expected in ((60, 60), (120, 120), (60, 60)):
            begun = made.fill(candidate(requests=ceiling))
            for _ in range(600):
                await made.clock.advance(0.1)
                begun += made.fill(candidate(requests=ceiling))
            assert begun == pytest.approx(expected, abs=2)


async def test_a_target_that_is_new_to_a_worker_is_shared_from_the_first_call() -> None:
    """Ten workers are there: each begins with a tenth of the ceiling, and not with all of it until its next beat."""
    async with line() as made:
        made.governor.follow({str(number): {} for number in range(9)})
        new, begun = candidate(requests=600), 0
        for _ in range(20):
            begun += made.fill(new)
            await made.clock.advance(0.1)
        assert begun <= 4


async def test_a_line_whose_server_dies_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the pace: those who wait go back to the queue, instead of holding their slots for ever."""
    async with line() as made:
        made.fill(candidate())
        await made.wait(candidate(), times=3)
        with monkeypatch.context() as broken:
            broken.setattr(Limiter, "wait", _fails)
            await made.clock.advance(1)
            assert made.refused == 3
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        gc.collect()
        await made.wait(candidate())
        await made.clock.advance(1)
        assert made.served == 1


def _fails(*_: object) -> float:
    raise ZeroDivisionError


async def test_whoever_is_stopped_in_the_moment_of_its_turn_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a drain, or a lost lease: after it was served, and before it could know. The next one has what it left."""
    async with line() as made:
        paced, begin = candidate(requests=60), Limiter.begin
        made.fill(paced)
        await made.wait(paced, times=2)

        def cut(limiter: Limiter, tokens: float, now: float, *, sent: bool) -> Permit:
            asyncio.get_running_loop().call_soon(made.waiting[0].cancel)
            return begin(limiter, tokens, now, sent=sent)

        monkeypatch.setattr(Limiter, "begin", cut)
        await made.clock.advance(1.1)
        assert made.waiting[0].cancelled()
        assert made.waiting[1].done()


async def test_a_thousand_who_wait_in_several_lines_are_each_served_once_or_told() -> None:
    """With all urgencies, and every seventh stopped on its way. Nobody stays, and nobody is in the way of who comes then."""
    async with line() as made:
        targets = [candidate(model, requests=600) for model in "abc"]
        for each in targets:
            made.fill(each)
        for number in range(300):
            await made.wait(*targets, rank=number % 3)
            if number % 7 == 0:
                made.waiting[-1].cancel()
            if number % 10 == 0:
                await made.clock.advance(0.3)
        await made.clock.advance(25)
        assert all(each.done() for each in made.waiting)
        assert made.served + made.refused == 300 - sum(each.cancelled() for each in made.waiting)
        await made.governor.room(lambda: [each.place.target for each in targets])
        assert made.fill(targets[0])


async def test_an_only_target_that_is_full_and_fails_is_not_waited_for_without_end() -> None:
    """Each turn ends in a failure that is tried again at once, and that try finds no room: so the next turn is waited for."""
    clock, metrics = FakeClock(), InferenceMetrics(CollectorRegistry())
    governor = Governor(metrics, clock, wait_seconds=10, draw=lambda: 0.5)
    provider = ScriptedProvider(*(ProviderUnavailable("503") for _ in range(100)))
    engine = Engine({"bedrock": provider}, metrics, clock, lambda: 0.5, Board(None, metrics, clock), governor)
    route = Route("default", (candidate(requests=12).place,))
    with pytest.raises(LimitReached):
        await clock.run(engine.invoke(route, Request(HELLO), _allowed))
    assert len(provider.calls) <= 6


async def _allowed(_target: Target) -> None:
    """The lease holds."""
