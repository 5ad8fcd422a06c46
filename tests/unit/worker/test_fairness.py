"""Fairness between tenants, in a worker with a queue that has SQS's plain order and takes its time."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quarry.invocation import Completion, Target
from quarry.job import JobStatus, Priority
from quarry.queue.base import Delivery, visibility_for
from quarry.tenants.limits import Limits
from quarry.tenants.policy import Policy, Tenants
from quarry.testing import a_completion
from quarry.testing.queue import MemoryQueue
from tests.unit.worker.conftest import LEASE_SECONDS, Bench
from worker.loop import Loop
from worker.shares import Shares
from worker.turns import Turns

CALL_SECONDS = 0.5


class TimedQueue(MemoryQueue):
    """Each request takes its time, and is counted; concurrent changes of visibility share requests, as the adapter's do."""

    requests = 0
    received = 0

    async def receive(self, limit: int, wait: timedelta) -> list[Delivery]:
        await self._clock.sleep(0.02)
        self.requests += 1
        deliveries = await super().receive(limit, wait)
        self.received += len(deliveries)
        return deliveries

    async def release(self, delivery: Delivery, delay: timedelta) -> None:
        await self._clock.sleep(0.01)
        await super().release(delivery, timedelta(seconds=-int(-delay.total_seconds() // 1)))


class Provider:
    """Answers after so long."""

    def __init__(self, bench: Bench, seconds: float = CALL_SECONDS) -> None:
        self._bench = bench
        self._seconds = seconds

    async def invoke(self, target: Target, *_: Any, **__: Any) -> Completion:
        await self._bench.clock.sleep(self._seconds)
        return a_completion()


class World:
    """One worker, two lanes, and tenants that submit: to the normal one, if not said otherwise."""

    def __init__(
        self, bench: Bench, *, slots: int = 20, spare: int = 3, tenants: Tenants | None = None, seconds: float = CALL_SECONDS
    ) -> None:
        self.bench = bench
        self.queue = TimedQueue(bench.clock, visibility=visibility_for(LEASE_SECONDS))
        self.low = TimedQueue(bench.clock, visibility=visibility_for(LEASE_SECONDS), lane=Priority.LOW)
        bench.lanes = {Priority.NORMAL: self.queue, Priority.LOW: self.low}
        bench.steps.settler._lanes = bench.lanes  # noqa: SLF001
        bench.steps.invoker._engine._providers = {"bedrock": Provider(bench, seconds)}  # noqa: SLF001
        self.shares = Shares(tenants or Tenants(), slots=slots, spare=spare)
        bench.steps = replace(bench.steps, draw=random.Random(1).random)  # noqa: S311
        turns = Turns({Priority.NORMAL: 3, Priority.LOW: 1}, slots=slots, receivers=4, spare=spare)
        self.loop = Loop(
            bench.lanes,
            bench.steps,
            bench.metrics,
            bench.clock,
            bench.fronts,
            bench.isolation,
            turns,
            self.shares,
            poll=timedelta(seconds=20),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The worker runs while the block does."""
        running = asyncio.create_task(self.loop.run())
        try:
            yield
            assert not running.done()
        finally:
            running.cancel()

    async def submit(self, tenant: str, count: int = 1, lane: Priority = Priority.NORMAL) -> list[str]:
        """So many jobs of a tenant; their ids."""
        jobs = [await self.bench.submitted(tenant=tenant, priority=lane) for _ in range(count)]
        return [job.request_id for job in jobs]

    def completed(self, tenant: str) -> int:
        """How many jobs of a tenant are."""
        return sum(job.status is JobStatus.COMPLETED for job in self.bench.store.jobs if job.tenant == tenant)

    async def until_completed(self, tenant: str, count: int) -> float:
        """Let time pass until so many are; how much did."""
        began = self.bench.clock.monotonic()
        while self.completed(tenant) < count:
            await self.bench.clock.advance(0.1)
            assert self.bench.clock.monotonic() - began < 300
        return self.bench.clock.monotonic() - began

    @property
    def put_back(self) -> int:
        """Deliveries that were put back because of their tenant."""
        return int(self.bench.count("quarry_deliveries_settled_total", outcome="release", reason="tenant_at_cap"))

    async def waited(self, tenant: str) -> float:
        """How long one job waits for its start."""
        [request_id] = await self.submit(tenant)
        began = self.bench.clock.monotonic()
        while not next(job for job in self.bench.store.jobs if job.request_id == request_id).started_at:
            await self.bench.clock.advance(0.01)
            assert self.bench.clock.monotonic() - began < 60
        return self.bench.clock.monotonic() - began


async def test_a_single_job_passes_a_backlog(bench: Bench) -> None:
    """Once what came before it was received, it starts at once, though all ordinary slots are taken and hundreds wait."""
    world = World(bench)
    async with world.running():
        await world.waited("quiet")
        await world.submit("noisy", 300)
        first, busy = await world.waited("quiet"), list[float]()
        for _ in range(5):
            await bench.clock.advance(0.7)
            busy.append(await world.waited("quiet"))
        assert world.completed("noisy") < 200
        await world.until_completed("noisy", 300)
    # 31 receives, by four at a time.
    assert first < 0.5
    assert max(busy) <= 0.05
    assert all(job.attempts == 1 for job in bench.store.jobs)


async def test_without_spare_slots_it_waits(bench: Bench) -> None:
    """What the others are compared with."""
    world = World(bench, spare=0)
    async with world.running():
        await world.waited("quiet")
        await world.submit("noisy", 300)
        assert await world.waited("quiet") > 6
    assert world.put_back == 0


async def test_a_backlog_in_the_low_lane_holds_nobody_up_and_is_received_once(bench: Bench) -> None:
    """What is demoted there need not be looked through: another's job starts at once from the first one on, though calls are long,
    and nothing is put back.
    """
    world = World(bench, seconds=4.0)
    async with world.running():
        await world.waited("quiet")
        await world.submit("noisy", 300, Priority.LOW)
        busy = []
        for _ in range(6):
            busy.append(await world.waited("quiet"))
            await bench.clock.advance(5)
        took = await world.until_completed("noisy", 300)
    assert max(busy) < 0.2
    assert (world.put_back, world.low.received) == (0, 300)
    assert took < 1.1 * 300 / 20 * 4.0


@pytest.mark.parametrize("backlog", [0, 100])
async def test_a_worker_full_of_long_calls_hears_the_low_lane_now_and_then(bench: Bench, backlog: int) -> None:
    """So that it goes on sweeping. What it hears of a backlog there is a message now and then."""
    world = World(bench, seconds=300.0)
    async with world.running():
        await world.waited("quiet")
        await world.submit("noisy", 80)
        await bench.clock.advance(1)
        await world.submit("noisy", backlog, Priority.LOW)
        for _ in range(12):
            await bench.clock.advance(10)
            assert not bench.fronts[Priority.LOW].is_deaf(bench.clock.monotonic())
    assert world.low.received <= 10


@pytest.mark.parametrize("seconds", [0.5, 4.0])
async def test_a_backlog_is_worked_as_fast_beside_others(bench: Bench, seconds: float) -> None:
    """Its messages are put back, and yet its slots find work: it takes no fifth longer than all its calls do."""
    world = World(bench, seconds=seconds)
    async with world.running():
        await world.waited("quiet")
        await world.submit("noisy", 300)
        took = await world.until_completed("noisy", 300)
    assert world.put_back > 0
    assert took < 1.2 * 300 / 20 * seconds + 1
    assert world.queue.received < 7 * 300


async def test_a_tenant_that_is_alone_has_all_slots_and_nothing_is_put_back(bench: Bench) -> None:
    """It is worked as without fairness, with hardly a request more."""
    requests = []
    for spare in (0, 3):
        world = World(Bench(), spare=spare)
        async with world.running():
            await world.submit("only", 200)
            took = await world.until_completed("only", 200)
        requests.append(world.queue.requests)
        assert took == pytest.approx(200 / 20 * CALL_SECONDS, rel=0.15)
        assert (world.put_back, world.queue.received) == (0, 200)
    assert requests[1] < 1.2 * requests[0]


async def test_two_backlogs_share_the_slots(bench: Bench) -> None:
    """Who came first had all slots; soon both have half of them, and the spare ones are free for a third."""
    world = World(bench)
    async with world.running():
        await world.waited("third")
        await world.submit("first", 400)
        await bench.clock.advance(2)
        await world.submit("second", 400)
        await bench.clock.advance(4)
        before = world.completed("first"), world.completed("second")
        await bench.clock.advance(4)
        third = await world.waited("third")
        first, second = (world.completed(name) - count for name, count in zip(("first", "second"), before, strict=True))
    assert first == pytest.approx(second, rel=0.35)
    assert first + second > 0.8 * 4 / CALL_SECONDS * 20
    assert third < 0.1


async def test_no_more_of_a_tenants_jobs_are_in_flight_than_it_may_have(bench: Bench) -> None:
    """Though slots are free. Others are not held up, and those that wait lose no attempt."""
    world = World(bench, tenants=Tenants(named={"few": Policy(Limits(jobs_in_flight=4))}))
    world.shares.follow(0, 1)
    most = 0
    async with world.running():
        await world.submit("few", 60)
        for _ in range(100):
            await bench.clock.advance(0.1)
            most = max(most, world.loop.slots_in_use)
        assert await world.waited("other") < 0.1
        assert world.completed("few") > 0.8 * 4 * 10 / CALL_SECONDS * 0.75
    assert most == 4
    assert all(job.attempts <= 1 for job in bench.store.jobs)


@pytest.mark.parametrize("lane", [Priority.NORMAL, Priority.LOW])
async def test_a_tenant_that_is_alone_has_all_of_the_slots_that_it_may(bench: Bench, lane: Priority) -> None:
    """Those rarely wait for a message, though most of what is received is put back."""
    world = World(bench, tenants=Tenants(named={"few": Policy(Limits(jobs_in_flight=5))}))
    world.shares.follow(0, 1)
    async with world.running():
        await world.submit("few", 200, lane)
        took = await world.until_completed("few", 200)
    assert took < 1.1 * 200 / 5 * CALL_SECONDS


async def test_a_worker_that_stops_gives_back_what_it_has_in_hand(bench: Bench) -> None:
    """At once, so that somebody else may work it."""
    world = World(bench, spare=3, slots=4, seconds=5.0)
    running = asyncio.create_task(world.loop.run())
    await world.waited("quiet")
    await world.submit("noisy", 6)
    await bench.clock.advance(0.5)
    world.loop.stop()
    ending = asyncio.create_task(world.loop.finish(20))
    await bench.clock.advance(1)
    visible = world.queue.visible_count
    await bench.clock.advance(20)
    assert await ending
    assert visible >= 1
    running.cancel()
