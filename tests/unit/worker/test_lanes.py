"""A worker on several lanes: it listens to all, settles where a delivery came from, and takes no more than it has slots for."""

import asyncio
from datetime import timedelta

import pytest

from quarry.job import CHECK_AFTER, JobStatus, Priority
from quarry.queue.lanes import announce
from quarry.testing import a_job
from quarry.testing.provider import Hold
from tests.unit.worker.conftest import Bench
from worker.outcome import Release
from worker.turns import STANDS_AFTER_SECONDS

HIGH, NORMAL, LOW = Priority
#: Until every lane has its polls, and they stand.
SETTLED = 10 * STANDS_AFTER_SECONDS


@pytest.mark.parametrize("lane", Priority)
@pytest.mark.parametrize("slots", [1, 2, 100])
async def test_an_idle_worker_takes_at_once_from_any_lane(bench: Bench, slots: int, lane: Priority) -> None:
    """Even with one slot: no time passes between the message and the job's end."""
    running = asyncio.create_task(bench.loop(slots=slots, receivers=4, lanes=Priority).run())
    await bench.clock.advance(SETTLED)
    job = await bench.submitted(priority=lane)
    await bench.clock.settle()
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED
    assert bench.count("quarry_deliveries_received_total", lane=lane) == 1
    running.cancel()


@pytest.mark.parametrize("slots", [1, 2, 5, 25])
async def test_a_backlog_of_one_lane_has_every_slot(bench: Bench, slots: int) -> None:
    """Polls of empty lanes go on, and keep nothing for themselves."""
    bench.provider.play(*(Hold() for _ in range(slots)))
    loop = bench.loop(slots=slots, receivers=4, lanes=Priority)
    running = asyncio.create_task(loop.run())
    await bench.clock.advance(SETTLED)
    for _ in range(2 * slots):
        await bench.submitted(priority=LOW)
    await bench.clock.advance(SETTLED)
    assert loop.in_flight == slots
    assert (bench.low.in_flight_count, bench.low.visible_count) == (slots, slots)
    running.cancel()


async def test_what_there_is_no_slot_for_goes_back_at_once(bench: Bench) -> None:
    """One slot, in a long call, and jobs come in the other lanes: they can be had by other workers, and are next here."""
    hold, then = Hold("answer"), Hold("answer")
    bench.provider.play(hold, then)
    running = asyncio.create_task(bench.loop(slots=1, lanes=Priority).run())
    await bench.clock.advance(SETTLED)
    await bench.submitted(priority=LOW)
    await hold.reached.wait()
    urgent = await bench.submitted(priority=HIGH)
    await bench.clock.advance(30)
    assert (bench.high.visible_count, bench.high.in_flight_count) == (1, 0)
    assert bench.count("quarry_deliveries_returned_total", lane="high") == 1
    await bench.submitted(priority=LOW)
    hold.release.set()
    await then.reached.wait()
    assert bench.store.job(urgent.request_id).status is JobStatus.PROCESSING
    running.cancel()


async def test_a_release_that_fails_does_not_stop_the_lane(bench: Bench) -> None:
    """The message comes again by itself."""
    hold = Hold("answer")
    bench.provider.play(hold)
    running = asyncio.create_task(bench.loop(slots=1, lanes=Priority).run())
    await bench.clock.advance(SETTLED)
    await bench.submitted(priority=LOW)
    await hold.reached.wait()
    bench.high.fail_next("release")
    urgent = await bench.submitted(priority=HIGH)
    await bench.clock.settle()
    hold.release.set()
    await bench.clock.advance(70)
    assert bench.store.job(urgent.request_id).status is JobStatus.COMPLETED
    running.cancel()


async def test_a_lane_that_is_away_does_not_hold_up_the_others(bench: Bench) -> None:
    """Its queue was deleted, say: jobs of the others are worked at once, even by one receiver."""
    bench.low.fail_next("receive", times=100_000)
    running = asyncio.create_task(bench.loop(slots=1, receivers=1, lanes=Priority).run())
    await bench.clock.advance(120)
    jobs = [await bench.submitted(priority=lane) for lane in (HIGH, NORMAL, HIGH)]
    await bench.clock.advance(1)
    assert {bench.store.job(job.request_id).status for job in jobs} == {JobStatus.COMPLETED}
    running.cancel()


async def test_a_delivery_is_settled_in_its_lane(bench: Bench) -> None:
    """Sent anew too."""
    job = await bench.submitted(priority=LOW)
    [delivery] = await bench.low.receive(1, timedelta(0))
    await bench.steps.settler.settle(delivery, Release(bench.clock.now() + timedelta(minutes=5), "retrying"), job)
    assert [bench.lanes[lane].delayed_count for lane in Priority] == [0, 0, 1]
    assert bench.low.in_flight_count == 0


async def test_a_lease_is_renewed_in_its_lane(bench: Bench) -> None:
    """So long as its call lasts, a delivery of each lane stays away from other workers."""
    holds = [Hold("answer") for _ in Priority]
    bench.provider.play(*holds)
    running = asyncio.create_task(bench.loop(slots=3, receivers=3, lanes=Priority).run())
    for lane in Priority:
        await bench.submitted(priority=lane)
    async with bench.beside(bench.leases.keep()):
        await bench.clock.advance(600)
        assert [bench.lanes[lane].in_flight_count for lane in Priority] == [1, 1, 1]
        assert bench.count("quarry_deliveries_received_total", lane="low") == 1
    running.cancel()


async def test_the_sweep_sends_to_the_jobs_lane(bench: Bench) -> None:
    """A job without a message gets one there."""
    for lane in Priority:
        await bench.store.create(a_job(priority=lane))
    await bench.clock.advance(CHECK_AFTER.total_seconds())
    bench.nothing_waits()
    assert await bench.sweep.once() == 3
    assert [bench.lanes[lane].visible_count for lane in Priority] == [1, 1, 1]


async def test_a_backlog_of_one_lane_is_not_added_to(bench: Bench) -> None:
    """The lane that is furthest behind counts: its jobs wait their turn."""
    await bench.store.create(a_job(priority=LOW))
    await bench.clock.advance(2 * CHECK_AFTER.total_seconds())
    bench.nothing_waits()
    bench.fronts[LOW].waited(3600, bench.clock.monotonic())
    assert await bench.sweep.once() == 0


async def test_announcements_are_told_in_order(bench: Bench) -> None:
    """Each job's on its lane; one lane that is away fails its own only."""
    bench.low.fail_next("send", times=2)
    told = await announce(bench.lanes, *(a_job(priority=lane) for lane in (LOW, HIGH, NORMAL, LOW, HIGH)))
    assert [each is None for each in told] == [False, True, True, False, True]
    assert [bench.lanes[lane].visible_count for lane in Priority] == [2, 1, 0]
