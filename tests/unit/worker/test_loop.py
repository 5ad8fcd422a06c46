"""The loop: slots before messages, many at once, and an end that loses nothing."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from quarry.job import JobStatus
from quarry.queue.base import Delivery
from quarry.testing.provider import Hold
from tests.unit.worker.conftest import Bench
from worker.shutdown import drain, poll_for
from worker.turns import Turns


async def test_no_message_is_received_without_a_free_slot(bench: Bench) -> None:
    """Five jobs and two slots: two in flight, three still visible to other workers."""
    holds = [Hold("answer") for _ in range(5)]
    bench.provider.play(*holds)
    for _ in range(5):
        await bench.submitted()
    loop = bench.loop(slots=2)
    running = asyncio.create_task(loop.run())
    await bench.clock.settle()
    assert (loop.in_flight, bench.queue.in_flight_count, bench.queue.visible_count) == (2, 2, 3)
    assert bench.count("quarry_slots_in_use") == 2
    holds[0].release.set()
    await bench.clock.settle()
    assert (loop.in_flight, bench.queue.visible_count) == (2, 2)
    for hold in holds:
        hold.release.set()
    await bench.clock.settle()
    assert {job.status for job in bench.store.jobs} == {JobStatus.COMPLETED}
    running.cancel()


async def test_a_slot_is_free_before_the_ack(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome is recorded: a queue that is slow to delete holds up no other job, as long as no more wait for it than there are
    slots. The end waits for all.
    """
    acked, ack = asyncio.Event(), bench.queue.ack

    async def slow(delivery: Delivery) -> None:
        await acked.wait()
        await ack(delivery)

    monkeypatch.setattr(bench.queue, "ack", slow)
    for _ in range(6):
        await bench.submitted()
    loop = bench.loop(slots=2)
    running = asyncio.create_task(loop.run())
    await bench.clock.advance(1)
    assert Counter(job.status for job in bench.store.jobs) == {JobStatus.COMPLETED: 4, JobStatus.QUEUED: 2}
    assert (loop.in_flight, bench.count("quarry_slots_in_use"), bench.queue.visible_count) == (4, 2, 2)
    loop.stop()
    ending = asyncio.create_task(loop.finish(20))
    await bench.clock.settle()
    assert not ending.done()
    acked.set()
    await bench.clock.advance(19)
    assert await ending
    assert bench.queue.in_flight_count == 0
    running.cancel()


async def test_nothing_is_received_while_the_gate_is_shut(bench: Bench) -> None:
    """Other workers may have room for it. A worker that is told to stop meanwhile receives nothing when the gate opens."""
    opened = asyncio.Event()

    async def gate() -> None:
        await opened.wait()

    await bench.submitted()
    loop = bench.loop(slots=2, gate=gate)
    running = asyncio.create_task(loop.run())
    await bench.clock.advance(1)
    assert (loop.in_flight, bench.queue.visible_count) == (0, 1)
    opened.set()
    await bench.clock.settle()
    assert bench.queue.visible_count == 0
    running.cancel()
    opened.clear()
    await bench.submitted()
    late = bench.loop(slots=2, gate=gate)
    running = asyncio.create_task(late.run())
    await bench.clock.settle()
    late.stop()
    opened.set()
    await bench.clock.settle()
    assert bench.queue.visible_count == 1
    await running


async def test_all_slots_can_be_used_at_once(bench: Bench) -> None:
    """Several receivers share the slots; a full queue fills them all."""
    bench.provider.play(*(Hold() for _ in range(40)))
    for _ in range(40):
        await bench.submitted()
    loop = bench.loop(slots=25, receivers=4)
    running = asyncio.create_task(loop.run())
    await bench.clock.settle()
    assert loop.in_flight == 25
    running.cancel()


async def test_receivers_are_out_of_step(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin one after the other, so that one of several long polls is always fresh."""
    begun: list[float] = []
    receive = bench.queue.receive

    async def timed(limit: int, wait: timedelta) -> list[Delivery]:
        begun.append(bench.clock.monotonic())
        return await receive(limit, wait)

    monkeypatch.setattr(bench.queue, "receive", timed)
    running = asyncio.create_task(bench.loop(slots=40, receivers=4).run())
    await bench.clock.advance(0.2)
    assert len({round(each, 3) for each in begun}) == 4
    running.cancel()


async def test_it_looks_again_when_it_is_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However late the next look would have been before something happened."""
    looks: list[float] = []

    def look_again_in(_: Turns, now: float) -> float:
        looks.append(now)
        return 100.0 if now < 10 else 1.0

    monkeypatch.setattr(Turns, "look_again_in", look_again_in)
    running = asyncio.create_task(bench.loop(slots=4).run())
    await bench.clock.advance(10)
    seen = len(looks)
    await bench.submitted()
    await bench.clock.advance(5)
    assert looks[-1] - looks[seen] == pytest.approx(4, abs=1)
    running.cancel()


async def test_a_queue_that_is_away_is_asked_again(bench: Bench) -> None:
    """With growing waits, and without giving up."""
    await bench.submitted()
    bench.queue.fail_next("receive", times=5)
    loop = bench.loop()
    running = asyncio.create_task(loop.run())
    await bench.clock.advance(30)
    assert {job.status for job in bench.store.jobs} == {JobStatus.COMPLETED}
    assert not running.done()
    running.cancel()


async def test_while_the_table_is_away_little_is_received(bench: Bench) -> None:
    """Each receipt counts, and SQS gives a message up that came too often; the jobs run once the table is back."""
    for _ in range(20):
        await bench.submitted()
    bench.store.fail_next("claim", times=1000)
    loop = bench.loop(slots=20, receivers=2)
    running = asyncio.create_task(loop.run())
    await bench.clock.advance(600)
    received = bench.count("quarry_deliveries_received_total", lane="normal")
    # Twenty at once, before anything is known; then each is asked about for half a lease, and there are pauses between them.
    assert 20 < received < 200
    running.cancel()


async def test_a_worker_pauses_between_deliveries_while_the_table_is_away(bench: Bench) -> None:
    """What goes back comes again within seconds; without a pause, each would be taken at once, for nothing."""
    for _ in range(400):
        await bench.submitted()
    bench.store.fail_next("claim", times=100_000)
    loop = bench.loop(slots=20, receivers=1)
    running = asyncio.create_task(loop.run())
    await bench.clock.advance(58)
    # Twenty at once, before anything is known; then one at a time, two seconds on average apart.
    assert 20 < bench.count("quarry_deliveries_received_total", lane="normal") < 38
    running.cancel()


@pytest.mark.parametrize("seconds", [5, 60, 600])
async def test_a_table_that_returns_is_noticed_within_seconds(bench: Bench, seconds: float) -> None:
    """And then all slots are used again."""
    for _ in range(20):
        await bench.submitted()
    bench.store.fail_next("claim", times=100_000)
    loop = bench.loop(slots=20, receivers=2)
    running = asyncio.create_task(loop.run())
    await bench.clock.advance(seconds)
    bench.store.mend()
    await bench.clock.advance(10)
    assert {job.status for job in bench.store.jobs} == {JobStatus.COMPLETED}
    running.cancel()


async def test_a_bug_in_one_delivery_does_not_end_the_loop(bench: Bench) -> None:
    """It is left unsettled and its slot is free again."""
    await bench.submitted()
    loop = bench.loop(slots=1)
    bench.steps.reporter.attempt_finished = None  # type: ignore[method-assign,assignment]
    running = asyncio.create_task(loop.run())
    await bench.clock.settle()
    assert (loop.in_flight, running.done()) == (0, False)
    assert bench.queue.in_flight_count == 1
    running.cancel()


async def test_what_a_poll_brings_after_the_stop_goes_back_at_once(bench: Bench) -> None:
    """A poll under way is not cut off: it may hold a message already."""
    loop = bench.loop()
    running = asyncio.create_task(loop.run())
    await bench.clock.settle()
    loop.stop()
    await bench.submitted()
    await bench.clock.settle()
    assert running.done()
    assert (bench.queue.visible_count, bench.queue.in_flight_count) == (1, 0)
    assert bench.provider.calls == []


async def test_a_drain_waits_for_what_can_finish(bench: Bench) -> None:
    """A call that ends within the budget is recorded and acked; nothing is cut."""
    job = await bench.submitted()
    hold = Hold("answer")
    bench.provider.play(hold)
    loop = bench.loop()
    running = asyncio.create_task(loop.run())
    await hold.reached.wait()
    draining = asyncio.create_task(drain(loop, bench.leases, bench.health, 110))
    await bench.clock.settle()
    assert bench.health.unready() == "draining"
    assert not draining.done()
    hold.release.set()
    # The receiver's poll may last as long as it was asked to.
    await bench.clock.advance(20)
    await draining
    assert bench.store.job(job.request_id).status is JobStatus.COMPLETED
    assert (running.done(), bench.queue.in_flight_count) == (True, 0)


def test_a_poll_ends_well_within_the_time_to_drain() -> None:
    """As long as SQS allows where there is time, and never zero, which would be a short poll."""
    assert [poll_for(seconds).total_seconds() for seconds in (1, 8, 80, 110, 3600)] == [1, 2, 20, 20, 20]
