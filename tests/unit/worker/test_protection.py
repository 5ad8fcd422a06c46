"""Scale-in protection at work: what the agent is asked for, what is told, and who receives."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import structlog

from quarry.settings import EcsEndpoints, WorkerSettings
from quarry.store.base import Origin
from tests.unit.worker.conftest import Bench
from worker.agent import Agent, AgentRefused, TaskIdentity
from worker.guarding import MOST_SECONDS
from worker.protection import Protection, gated, opened_protection
from worker.succession import Succession


class FakeAgent(Agent):
    """Does what it is asked for, unless it has a refusal to give."""

    def __init__(self) -> None:
        self.asked: list[int | None] = []
        self.refusal: AgentRefused | None = None
        self.task: TaskIdentity | None = TaskIdentity("service", "1")
        self.hangs = False

    async def protect(self, minutes: int) -> None:
        await self._take(minutes)

    async def release(self) -> None:
        await self._take(None)

    async def identity(self) -> TaskIdentity:
        if self.task is None:
            raise AgentRefused("away")
        return self.task

    async def _take(self, minutes: int | None) -> None:
        self.asked.append(minutes)
        if self.hangs:
            await asyncio.Event().wait()
        if self.refusal:
            raise self.refusal


class World:
    """A worker's protection, beside the worker."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.agent, self.is_busy = bench, FakeAgent(), False
        self.succession = Succession("me", lambda: True)
        self.protection = Protection(
            self.agent,
            self.succession,
            bench.clock,
            bench.metrics,
            is_busy=lambda: self.is_busy,
            poll_seconds=20,
            draw=lambda: 0.5,
        )

    async def goes_on(self, seconds: float, *, busy: bool) -> None:
        """For so long."""
        self.is_busy = busy
        await self.bench.clock.advance(seconds)

    @property
    def is_open(self) -> bool:
        """Whether the worker receives."""
        return self.bench.count("quarry_standing_aside") == 0

    @property
    def is_protected(self) -> bool:
        """As the metrics have it."""
        return self.bench.count("quarry_task_protected") == 1


@pytest_asyncio.fixture
async def world(bench: Bench) -> AsyncIterator[World]:
    made = World(bench)
    async with bench.beside(made.protection.keep()):
        await bench.clock.settle()
        yield made


async def test_the_edges_are_asked_for_and_counted(world: World) -> None:
    await world.goes_on(5, busy=True)
    assert (world.agent.asked, world.is_protected) == ([15], True)
    await world.goes_on(30, busy=False)
    assert (world.agent.asked, world.is_protected) == ([15, None], False)
    assert world.bench.count("quarry_task_protection_requests_total", outcome="protected") == 1
    assert world.bench.count("quarry_task_protection_requests_total", outcome="released") == 1


async def test_a_refusal_is_told_once_until_it_is_over(world: World) -> None:
    """Throttled for ten minutes, and again later."""
    world.agent.refusal = AgentRefused("ThrottlingException", "Rate exceeded")
    with structlog.testing.capture_logs() as logs:
        await world.goes_on(600, busy=True)
        world.agent.refusal = None
        await world.goes_on(61, busy=True)
        assert world.is_protected
        world.agent.refusal = AgentRefused("DEPLOYMENT_BLOCKED")
        await world.goes_on(600, busy=True)
    told = [(each["ask"], each["error"], each["log_level"]) for each in logs if each["event"] == "protection.refused"]
    assert told == [("protect", "ThrottlingException", "warning"), ("protect", "DEPLOYMENT_BLOCKED", "warning")]
    assert len(world.agent.asked) < 60


async def test_a_worker_with_a_successor_receives_nothing_until_that_is_gone(world: World) -> None:
    """Nothing is received that was not on its way already, and what runs goes on."""
    assert world.succession.word() == Origin("service", "1", world.bench.clock.now())
    await world.goes_on(5, busy=True)
    newer = Origin("service", "2", world.bench.clock.now() + timedelta(minutes=1))
    world.succession.follow({"other": newer})
    with structlog.testing.capture_logs() as logs:
        await world.goes_on(5, busy=True)
        waiting = asyncio.ensure_future(gated(world.protection.opened)())
        await world.goes_on(5, busy=True)
        assert (world.is_open, world.is_protected, waiting.done()) == (False, True, False)
        await world.goes_on(60, busy=False)
        assert (world.is_open, world.is_protected) == (False, False)
        world.succession.follow({})
        await world.goes_on(2, busy=False)
        assert world.is_open
        await waiting
    told = [(each["event"], each["reason"]) for each in logs]
    assert told == [("receiving.paused", "succeeded"), ("receiving.resumed", "succeeded")]


async def test_who_is_never_idle_stands_aside_within_an_hour(world: World) -> None:
    """Somewhat earlier, so that not all do at the same time."""
    await world.goes_on(MOST_SECONDS * 0.8, busy=True)
    assert world.is_open
    await world.goes_on(MOST_SECONDS * 0.1, busy=True)
    assert not world.is_open
    await world.goes_on(100, busy=False)
    assert world.is_open


async def test_a_task_that_nobody_can_name_is_asked_about_again(bench: Bench) -> None:
    """Once a minute: a slow start must not leave a worker without successors for its whole life."""
    world = World(bench)
    world.agent.task = None
    async with bench.beside(world.protection.keep()):
        await bench.clock.advance(30)
        world.agent.task = TaskIdentity("service", "1")
        await bench.clock.advance(29)
        assert world.succession.origin is None
        await bench.clock.advance(2)
        assert world.succession.origin is not None


@pytest.mark.parametrize("trouble", ["", "refuses", "hangs", "was never asked"])
async def test_the_end_takes_no_longer_than_a_second(bench: Bench, trouble: str) -> None:
    """The platform kills soon after the drain."""
    world = World(bench)
    if trouble != "was never asked":
        world.is_busy = True
        await world.protection.once()
    world.agent.refusal, world.agent.hangs = AgentRefused("TASK_NOT_VALID") if trouble == "refuses" else None, trouble == "hangs"
    async with asyncio.timeout(3):
        await world.protection.end()
    assert world.agent.asked == ([] if trouble == "was never asked" else [15, None])


@pytest.mark.parametrize(
    ("settings", "endpoints", "is_there"),
    [
        ({}, EcsEndpoints("http://127.0.0.1:1", None), True),
        ({}, None, False),
        ({"scale_in_protection": False}, EcsEndpoints("http://127.0.0.1:1", None), False),
    ],
)
async def test_there_is_one_where_there_is_an_agent_and_nobody_forbids_it(
    bench: Bench, settings: dict[str, Any], endpoints: EcsEndpoints | None, is_there: bool
) -> None:
    succession = Succession("me", lambda: True)
    async with opened_protection(
        WorkerSettings(**settings), endpoints, succession, bench.clock, bench.metrics, is_busy=lambda: False
    ) as protection:
        assert (protection is not None) is is_there


async def test_gates_are_passed_in_a_row() -> None:
    """The second is not asked before the first is open: what it allowed would be old."""
    shut, asked = asyncio.Event(), list[str]()

    async def second() -> None:
        asked.append("second")

    async def first() -> None:
        await shut.wait()

    passing = asyncio.ensure_future(gated(first, second)())
    await asyncio.sleep(0)
    assert asked == []
    shut.set()
    await passing
    assert asked == ["second"]
