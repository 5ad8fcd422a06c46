"""Leases: renewed in time, together with the visibility of their messages."""

import asyncio
from datetime import datetime, timedelta

import pytest

from quarry.job import Job
from quarry.testing.provider import Hold
from tests.unit.worker.conftest import Bench
from worker.outcome import Ack, Leave


async def test_a_long_call_keeps_its_lease_and_its_message(bench: Bench) -> None:
    """Ten minutes under a lease of one: renewed every third of it, never visible to others, answered once."""
    job = await bench.submitted()
    hold = Hold("answer")
    bench.provider.play(hold)
    keeping = asyncio.create_task(bench.leases.keep())
    working = asyncio.create_task(bench.work())
    await hold.reached.wait()
    for _ in range(30):
        await bench.clock.advance(20)
        lease = bench.store.job(job.request_id).lease
        assert lease
        assert lease.expires_at >= bench.clock.now() + timedelta(seconds=59)
        assert bench.queue.visible_count == 0
    hold.release.set()
    assert await working == Ack("completed")
    assert bench.count("quarry_lease_renewals_total", outcome="renewed") == 30
    keeping.cancel()


async def test_two_failed_renewals_do_not_lose_the_lease_and_a_third_does(bench: Bench) -> None:
    """The holder judges by its own monotonic clock: once the lease may have run out, the call is closed."""
    await bench.submitted()
    hold = Hold()
    bench.provider.play(hold)
    keeping = asyncio.create_task(bench.leases.keep())
    working = asyncio.create_task(bench.work())
    await hold.reached.wait()
    bench.store.fail_next("renew", times=3)
    await bench.clock.advance(40)
    assert not working.done()
    await bench.clock.advance(20)
    # Not taken over by anyone yet, so the answer-less attempt is nobody's: nothing is written, the message comes again.
    assert await working == Leave("lease_lost")
    assert bench.provider.cancelled == 1
    keeping.cancel()


async def test_a_queue_that_refuses_to_extend_does_not_end_the_work(bench: Bench) -> None:
    """The message may come to somebody else, whose claim is refused: the lease is what counts."""
    await bench.submitted()
    hold = Hold("answer")
    bench.provider.play(hold)
    keeping = asyncio.create_task(bench.leases.keep())
    working = asyncio.create_task(bench.work())
    await hold.reached.wait()
    bench.queue.fail_next("extend", times=3)
    await bench.clock.advance(60)
    assert not keeping.done()
    hold.release.set()
    assert await working == Ack("completed")
    keeping.cancel()


async def test_a_lease_given_up_by_its_record_is_not_counted_as_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that was on its way while the record was written is refused, which means nothing."""
    await bench.submitted()
    hold, arrived = Hold("answer"), asyncio.Event()
    bench.provider.play(hold)
    renew = bench.store.renew

    async def slow_renew(job: Job, expires_at: datetime) -> None:
        await arrived.wait()
        await renew(job, expires_at)

    monkeypatch.setattr(bench.store, "renew", slow_renew)
    keeping = asyncio.create_task(bench.leases.keep())
    working = asyncio.create_task(bench.work())
    await hold.reached.wait()
    await bench.clock.advance(20)
    hold.release.set()
    assert await working == Ack("completed")
    arrived.set()
    await bench.clock.settle()
    assert len(bench.leases) == 0
    assert bench.count("quarry_lease_renewals_total", outcome="lost") == 0
    keeping.cancel()
